// The HTTP side of an upgrade to SPDY/3.1: agreeing, or saying why not.
import { type Exchange, sendText, type Upgrade } from './exchange.ts';
import { chooseProtocol, offeredProtocols } from './rules/stream-options.ts';

/** Answers 101 and returns the agreed protocol; undefined after a refusal was sent. */
export function acceptSpdyUpgrade(
  exchange: Exchange,
  { socket, head }: Upgrade,
  spoken: readonly string[],
): string | undefined {
  const header = exchange.req.headers['x-stream-protocol-version'];
  const offered = offeredProtocols(header);
  if (offered.length === 0) {
    sendText(exchange.response(), 400, 'unable to upgrade: X-Stream-Protocol-Version header is required');
    return undefined;
  }
  const protocol = chooseProtocol(offered, spoken);
  if (protocol === undefined) return refuseProtocols(exchange, offered, spoken, 403);
  const head101 = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n';
  socket.write(`${head101}X-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
  if (head.length > 0) socket.unshift(head);
  return protocol;
}

export function refuseProtocols(
  exchange: Exchange,
  offered: readonly string[],
  spoken: readonly string[],
  code: 400 | 403,
): undefined {
  const both = `client supports [${offered.join(' ')}], server accepts [${spoken.join(' ')}]`;
  sendText(exchange.response(), code, `unable to upgrade: unable to negotiate protocol: ${both}`, {
    'X-Accepted-Stream-Protocol-Versions': spoken.join(', '),
  });
  return undefined;
}

export function refuseUpgrade({ req, response }: Exchange): undefined {
  const { connection = '', upgrade = '' } = req.headers;
  const seen = `map[Connection:[${connection}] Upgrade:[${upgrade}]]`;
  sendText(response(), 400, `unable to upgrade: missing upgrade headers in request: ${seen}`);
  return undefined;
}
