// A volume that cannot be set up as the pod wants it: the message is the end of the FailedMount event.
export class SetUpError extends Error {
  override readonly name = 'SetUpError';
}
