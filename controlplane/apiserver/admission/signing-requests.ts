// Who asks for a certificate is written down by the server, and so is when a verdict was given.
import type { Parts } from '../context.ts';
import { at, list, object as objectOf } from '../model.ts';
import type { Review, Step } from './admission.ts';

const isSigningRequest = ({ kind }: Review): boolean => kind.kind === 'CertificateSigningRequest';

export function signingRequests({ clock }: Pick<Parts, 'clock'>): Step {
  return {
    mutate: (review) => {
      if (!isSigningRequest(review)) return;
      if (review.operation === 'CREATE') writeRequester(review);
      else stampConditions(review, `${new Date(clock.now()).toISOString().slice(0, 19)}Z`);
    },
  };
}

/** Signers believe these fields: what the client sent for them never counts. */
function writeRequester({ object, user }: Review): void {
  const { username: _, uid: __, groups: ___, extra: ____, ...asked } = objectOf(object['spec']);
  object['spec'] = {
    ...asked,
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    groups: [...user.groups],
    ...(user.extra ? { extra: user.extra } : {}),
  };
}

function stampConditions({ object, old }: Review, now: string): void {
  const before = list(at(old, 'status.conditions'));
  for (const condition of list(at(object, 'status.conditions'))) {
    const known = before.find(({ type, status }) => type === condition['type'] && status === condition['status']);
    condition['lastUpdateTime'] ??= known?.['lastUpdateTime'] ?? now;
    condition['lastTransitionTime'] ??= known?.['lastTransitionTime'] ?? now;
  }
}
