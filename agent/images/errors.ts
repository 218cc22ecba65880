// An image that is not there (yet): what the container's status says it waits for.

export type ImageFailure =
  | 'InvalidImageName'
  | 'ErrImageNeverPull'
  | 'ErrImagePull'
  | 'ImagePullBackOff'
  | 'ImageInspectError';

export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly reason: ImageFailure;
  /** When trying again may help; undefined: only another spec or image helps. */
  readonly retryAtMs: number | undefined;

  constructor(reason: ImageFailure, message: string, facts: { retryAtMs?: number; cause?: unknown } = {}) {
    super(message, { cause: facts.cause });
    this.reason = reason;
    this.retryAtMs = facts.retryAtMs;
  }
}
