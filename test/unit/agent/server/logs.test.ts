// How a log's bytes leave the agent.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { sendLogs } from '../../../../agent/server/logs.ts';

async function* lines() {
  for (const line of ['one\n', 'two\n']) yield { stream: 'stdout' as const, data: Buffer.from(line) };
}

/** What one read of the socket after the other brings. */
async function reads(): Promise<string[]> {
  const options = {
    follow: false,
    timestamps: false,
    previous: false,
    since: undefined,
    tail: undefined,
    limitBytes: undefined,
  };
  const server = createServer((_req, res) => {
    void sendLogs({ containerLogs: lines }, 'id', options, res, new AbortController().signal);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const seen: string[] = [];
    socket.on('data', (data) => seen.push(data.toString()));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await once(socket, 'close');
    return seen;
  } finally {
    server.close();
  }
}

test('the end of a log travels alone, after its last words', async () => {
  const seen = await reads();
  assert.match(seen.slice(0, -1).join(''), /one\ntwo\n/);
  assert.equal(seen.at(-1), '0\r\n\r\n');
});
