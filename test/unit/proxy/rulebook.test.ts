// The model of what stands on the host: after any history, writing what is pending makes the host what is wanted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TableRules } from '../../../proxy/model.ts';
import { createRulebook } from '../../../proxy/rulebook.ts';

const rules = (own: Record<string, string[]>, shared: [string, string][]): TableRules => ({
  own: new Map(Object.entries(own)),
  shared: shared.map(([chain, rule]) => ({ chain, rule })),
});

test('a line that two owners want stays until the second goes', () => {
  const book = createRulebook('nat');
  book.replace('a', rules({}, [['T', 'x']]));
  book.replace(
    'b',
    rules({}, [
      ['T', 'x'],
      ['T', 'y'],
    ]),
  );
  book.settled(book.pending());
  book.replace('a', undefined);
  assert.deepEqual(book.pending(), []);
  book.replace('b', undefined);
  assert.deepEqual(book.pending(), [{ table: 'nat', chain: 'T', body: undefined }]);
});

test('the same wish again changes nothing', () => {
  const book = createRulebook('nat');
  const wish = (): TableRules => rules({ S: ['1', '2'] }, [['T', 'x']]);
  book.replace('a', wish());
  book.settled(book.pending());
  book.replace('a', wish());
  assert.deepEqual(book.pending(), []);
  assert.equal(book.ruleCount(), 3);
});

test('chains found on the host that nobody wants are removed', () => {
  const book = createRulebook('nat');
  book.replace('a', rules({ S: [] }, []));
  book.forget(['S', 'OLD']);
  assert.deepEqual(book.pending(), [
    { table: 'nat', chain: 'S', body: '' },
    { table: 'nat', chain: 'OLD', body: undefined },
  ]);
});

test('after any history the host is what the last wishes say', () => {
  const wish = fc.record({
    lines: fc.array(fc.tuple(fc.constantFrom('T1', 'T2'), fc.constantFrom('x', 'y', 'z'))),
    own: fc.array(fc.constantFrom('1', '2'), { maxLength: 3 }),
  });
  const step = fc.record({
    owner: fc.constantFrom('a', 'b', 'c'),
    wish: fc.option(wish),
    write: fc.boolean(),
    loss: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const book = createRulebook('nat');
      const host = new Map<string, string>();
      const wanted = new Map<string, TableRules>();
      const write = (): void => {
        const changes = book.pending();
        for (const { chain, body } of changes) body === undefined ? host.delete(chain) : host.set(chain, body);
        book.settled(changes);
      };
      for (const { owner, wish: next, write: isWritten, loss } of steps) {
        const made = next ? rules({ [`S-${owner}`]: next.own }, next.lines) : undefined;
        book.replace(owner, made);
        made ? wanted.set(owner, made) : wanted.delete(owner);
        if (loss) book.forget(host.keys());
        if (isWritten) write();
      }
      write();
      const expected = new Map<string, Set<string>>();
      for (const { own, shared } of wanted.values()) {
        for (const [chain, body] of own) expected.set(chain, new Set([body.join('\n')]));
        for (const { chain, rule } of shared) expected.set(chain, (expected.get(chain) ?? new Set()).add(rule));
      }
      const texts = [...expected].map(([chain, lines]) => [chain, [...lines].sort().join('\n')]);
      assert.deepEqual(Object.fromEntries(host), Object.fromEntries(texts));
      assert.deepEqual(book.pending(), []);
    }),
  );
});
