// The loops that let machines join: cluster-info, bootstrap tokens, certificates of nodes.
import { certificateSigningRequests, configMaps, nodes, secrets } from '../../kube/resources.ts';
import type { Held } from '../cache.ts';
import type { KeyPair } from '../pki/certificates.ts';
import { clusterInfo, clusterInfoController, tokenCleaner, tokenSecrets } from './rules/bootstrap.ts';
import { runController, type ShellParts } from './shell.ts';
import { signingRequestController } from './signing-requests.ts';

export interface BootstrapSettings {
  readonly ca: KeyPair;
  /** A kubeconfig without a user: where the API server is, and its CA. */
  readonly kubeconfig: string;
}

/** Of Secrets only the tokens: these loops have no business with others. */
export const bootstrapHolds: readonly Held[] = [
  { of: nodes },
  { of: certificateSigningRequests },
  { of: secrets, select: tokenSecrets },
  { of: configMaps, select: { namespace: clusterInfo.namespace } },
];

export async function runBootstrap(
  { ca, kubeconfig }: BootstrapSettings,
  parts: ShellParts,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    runController(clusterInfoController(kubeconfig), parts, signal),
    runController(tokenCleaner, parts, signal),
    runController(signingRequestController(ca), parts, signal),
  ]);
}
