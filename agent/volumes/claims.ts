// Volumes behind claims: looks up what a claim is bound to, and who has it.
import type { ApiClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { type ObjectName, persistentVolumeClaims, persistentVolumes, type Resource } from '../../kube/resources.ts';
import type { PersistentVolume, Pod, Volume } from '../../kube/types.ts';
import { boundVolumeName, checkClaimedVolume, claimNameOf, type NodeIdentity } from './rules/claims.ts';
import { SetUpError } from './rules/set-up-error.ts';

export interface Claims {
  /** The volume that the pod's claim is bound to, once the pod may use it here. Throws `SetUpError` or `ApiError`. */
  volumeOf(pod: Pod, volume: Volume, signal: AbortSignal): Promise<PersistentVolume>;
  /** The pod uses its volumes no longer. */
  release(podUid: string): void;
}

export function createClaims(client: ApiClient, node: () => NodeIdentity): Claims {
  /** Which pod has a volume that only one pod may have. */
  const holders = new Map<string, string>();

  async function find<T>(of: Resource<T>, at: ObjectName, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await client.get(of, at, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  function hold({ metadata, spec }: PersistentVolume, podUid: string): void {
    if (!spec?.accessModes?.includes('ReadWriteOncePod')) return;
    const holder = holders.get(metadata.name) ?? podUid;
    if (holder !== podUid) {
      throw new SetUpError('volume uses the ReadWriteOncePod access mode and is already in use by another pod');
    }
    holders.set(metadata.name, podUid);
  }

  return {
    async volumeOf(pod, volume, signal) {
      const { namespace } = pod.metadata;
      const claim = await find(persistentVolumeClaims, { namespace, name: claimNameOf(pod, volume) ?? '' }, signal);
      const name = boundVolumeName(pod, volume, claim);
      const claimed = await find(persistentVolumes, { name }, signal);
      if (!claim || !claimed) {
        throw new SetUpError(`failed to fetch PV "${name}" from API server: persistentvolume "${name}" not found`);
      }
      checkClaimedVolume(pod, volume, claim, claimed, node());
      hold(claimed, pod.metadata.uid);
      return claimed;
    },
    release: (podUid) => {
      for (const [name, holder] of holders) if (holder === podUid) holders.delete(name);
    },
  };
}
