// Which images go, how many, and which never.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  bytesToFree,
  type CollectionPlan,
  isOldEnough,
  isTooOld,
  type KnownImage,
  noteImages,
  unneededImages,
} from '../../../../../agent/images/rules/collection.ts';

const plan: CollectionPlan = { highPercent: 85, lowPercent: 80, minAgeMs: 120_000, maxAgeMs: 0 };
const image = (id: string, over: Partial<KnownImage> = {}): KnownImage => ({
  ...{ id, names: [`${id}:1`], sizeBytes: 10, firstSeenMs: 0, lastUsedMs: 0 },
  ...over,
});
const ids = (images: readonly KnownImage[]): string[] => images.map(({ id }) => id);

describe('room to free', () => {
  const table: readonly [available: number, want: number][] = [
    [160, 0],
    [151, 49],
    [150, 50],
    [0, 200],
  ];
  for (const [available, want] of table) {
    test(`${available} of 1000 free: ${want}`, () =>
      assert.equal(bytesToFree({ capacity: 1000, available }, plan), want));
  }
});

describe('what is known of images', () => {
  test('who is in use was used now; who is gone is forgotten; who is new was seen first now', () => {
    const before = new Map([
      ['a', image('a', { firstSeenMs: 1, lastUsedMs: 2 })],
      ['b', image('b', { firstSeenMs: 1, lastUsedMs: 2 })],
      ['gone', image('gone')],
    ]);
    const images = ['a', 'b', 'c'].map((id) => ({ id, names: [`${id}:1`], sizeBytes: 10 }));
    assert.deepEqual(
      [...noteImages(before, { images, inUse: new Set(['b']) }, 9).values()],
      [
        image('a', { firstSeenMs: 1, lastUsedMs: 2 }),
        image('b', { firstSeenMs: 1, lastUsedMs: 9 }),
        image('c', { firstSeenMs: 9, lastUsedMs: 0 }),
      ],
    );
  });

  test('the least recently used goes first; those in use and the pinned one never', () => {
    const known = new Map(
      [
        image('late', { lastUsedMs: 5 }),
        image('early', { lastUsedMs: 1 }),
        image('never', { firstSeenMs: 3 }),
        image('used', { lastUsedMs: 0 }),
        image('pause', { names: ['nodelet/pause:1', 'other'] }),
      ].map((one) => [one.id, one]),
    );
    const pinned = new Set(['nodelet/pause:1']);
    assert.deepEqual(ids(unneededImages({ known, inUse: new Set(['used']), pinned })), ['never', 'early', 'late']);
  });

  test('an image that came just now stays although the disk is full', () => {
    assert.equal(isOldEnough(image('a', { firstSeenMs: 1000 }), plan, 120_999), false);
    assert.equal(isOldEnough(image('a', { firstSeenMs: 1000 }), plan, 121_000), true);
  });

  test('age counts from the last use, once somebody has counted for so long', () => {
    const aged = { ...plan, maxAgeMs: 1000 };
    assert.equal(isTooOld(image('a'), plan, 0, 1e9), false);
    assert.equal(isTooOld(image('a'), aged, 5000, 5900), false);
    assert.equal(isTooOld(image('a', { lastUsedMs: 5500 }), aged, 0, 6400), false);
    assert.equal(isTooOld(image('a', { lastUsedMs: 5500 }), aged, 0, 6501), true);
  });
});
