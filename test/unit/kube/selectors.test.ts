import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from '../../../kube/selectors.ts';

const labels = { app: 'web', tier: 'front', version: '7', empty: '' };

const matching: readonly [selector: string, matches: boolean][] = [
  ['', true],
  ['app=web', true],
  ['app==web,tier=front', true],
  ['app!=web', false],
  ['missing!=web', true],
  ['app in (api, web)', true],
  ['app notin (api, web)', false],
  ['missing notin (a)', true],
  ['app', true],
  ['!app', false],
  ['!missing', true],
  ['version>6', true],
  ['version<6', false],
  ['app>1', false],
  ['empty=', true],
  ['empty in ()', true],
  ['app in (,web)', true],
  ['app in (web,)', true],
  ['toString', false],
];

test('label selectors match as the API defines them', () => {
  for (const [text, matches] of matching) {
    assert.equal(matchesLabels(parseLabelSelector(text), labels), matches, text);
  }
});

test('what is no label selector is refused', () => {
  for (const text of [
    'a=b=c',
    'a in b',
    'a in (b',
    ',',
    'a,,b',
    '=b',
    'a=b c',
    'a>x',
    '!',
    'a in (b c)',
    '-a=b',
    'a=-b-',
  ]) {
    assert.throws(() => parseLabelSelector(text), SelectorError, text);
  }
});

test('field selectors compare text, with escapes', () => {
  const read = (path: string): string | undefined => ({ 'metadata.name': 'a,b', 'status.phase': 'Running' })[path];
  const cases: readonly [string, boolean][] = [
    ['metadata.name=a\\,b', true],
    ['metadata.name==a\\,b,status.phase!=Failed', true],
    ['status.phase=Failed', false],
    ['spec.nodeName=', true],
    ['', true],
  ];
  for (const [text, matches] of cases) assert.equal(matchesFields(parseFieldSelector(text), read), matches, text);
  assert.throws(() => parseFieldSelector('metadata.name'), SelectorError);
});
