// Asks the server whether an owner still lives, before it takes in what has none.
import { isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resources.ts';
import type { LookParts } from '../model.ts';
import type { Owner } from './rules/ownership.ts';

export async function isAlive(of: Resource<Owner>, owner: Owner, { client, signal }: LookParts): Promise<boolean> {
  const { name, namespace, uid } = owner.metadata;
  try {
    const { metadata } = await client.get(of, { name, namespace }, signal);
    return metadata.uid === uid && !metadata.deletionTimestamp;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
