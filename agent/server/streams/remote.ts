// A caller's ends of an exec or attach, whatever protocol carries them.
import type { Outcome } from '../rules/outcome.ts';

export interface RemoteStreams {
  readonly stdin: AsyncIterable<Buffer> | undefined;
  /** Resize messages, one JSON object each or several in a row. */
  readonly resizes: AsyncIterable<Buffer> | undefined;
  /** Rejects with `PeerGone`. Undefined where the caller did not ask for the stream: its output is dropped. */
  readonly stdout: ((data: Buffer) => Promise<void>) | undefined;
  readonly stderr: ((data: Buffer) => Promise<void>) | undefined;
  /** Says how it ended, after all output, and closes the connection. Never rejects. */
  finish(outcome: Outcome): Promise<void>;
  readonly gone: AbortSignal;
}
