// Why a container could not be created or started, in the words that its status shows.

/** Something in the wish that cannot be: Waiting reason CreateContainerConfigError, the message is the error's. */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError';
}
