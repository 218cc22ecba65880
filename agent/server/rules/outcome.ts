// How an exec or attach ended, in the words that each protocol version has for it.

export type Outcome =
  | { readonly end: 'success' }
  | { readonly end: 'exited'; readonly code: number }
  | { readonly end: 'failed'; readonly message: string };

/** What goes on the error stream. Empty: nothing (before v4 silence means success). */
export function renderOutcome(outcome: Outcome, protocol: string): string {
  if (protocol.startsWith('v4.') || protocol.startsWith('v5.')) return JSON.stringify(statusOf(outcome));
  switch (outcome.end) {
    case 'success':
      return '';
    case 'exited':
      return exitMessage(outcome.code);
    case 'failed':
      return outcome.message;
  }
}

function exitMessage(code: number): string {
  return `command terminated with non-zero exit code: Error executing in Docker Container: ${code}`;
}

function statusOf(outcome: Outcome): unknown {
  switch (outcome.end) {
    case 'success':
      return { metadata: {}, status: 'Success' };
    case 'exited':
      return {
        metadata: {},
        status: 'Failure',
        message: exitMessage(outcome.code),
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: String(outcome.code) }] },
      };
    case 'failed':
      return {
        metadata: {},
        status: 'Failure',
        message: `Internal error occurred: ${outcome.message}`,
        reason: 'InternalError',
        details: { causes: [{ message: outcome.message }] },
        code: 500,
      };
  }
}
