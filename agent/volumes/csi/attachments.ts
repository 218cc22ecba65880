// Volumes that a controller attaches to this node: says which are in use, and waits until one is here.
import type { Clock } from '../../../host/clock.ts';
import type { ApiClient } from '../../../kube/client.ts';
import { isNotFound } from '../../../kube/errors.ts';
import { nodes, volumeAttachments } from '../../../kube/resources.ts';
import { attachmentName, type DriverVolume, uniqueName } from '../rules/csi.ts';
import { SetUpError } from '../rules/set-up-error.ts';

export interface Attachments {
  /** Resolves with what the controller tells the driver. Throws `SetUpError` where attaching failed. */
  wait(volume: DriverVolume, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Says which volumes must not be detached: those given, and those waited for. Repeatable. */
  publish(used: Iterable<string>, signal: AbortSignal): Promise<void>;
}

const lookAgainMs = 1000;

export function createAttachments(
  client: ApiClient,
  nodeName: string,
  clock: Clock,
  used: () => Promise<Iterable<string>>,
): Attachments {
  const awaited = new Map<symbol, string>();
  let published: string | undefined;

  async function publish(mounted: Iterable<string>, signal: AbortSignal): Promise<void> {
    const volumesInUse = [...new Set([...mounted, ...awaited.values()])].toSorted();
    const text = JSON.stringify(volumesInUse);
    if (text === published || (published === undefined && volumesInUse.length === 0)) return;
    const patch = { type: 'merge', body: { status: { volumesInUse } }, subresource: 'status' } as const;
    await client.patch(nodes, { name: nodeName }, patch, signal);
    published = text;
  }

  async function isAttached(name: string, signal: AbortSignal): Promise<boolean> {
    const { status } = await client.get(nodes, { name: nodeName }, signal);
    return status?.volumesAttached?.some((volume) => volume.name === name) ?? false;
  }

  async function attachmentOf(volume: DriverVolume, signal: AbortSignal) {
    try {
      return await client.get(volumeAttachments, { name: attachmentName(volume, nodeName) }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  return {
    publish,
    wait: async (volume, signal) => {
      const ticket = Symbol(volume.name);
      awaited.set(ticket, uniqueName(volume));
      try {
        // Said first: what is in use is not detached behind our back.
        await publish(await used(), signal);
        for (;;) {
          const { status } = (await attachmentOf(volume, signal)) ?? {};
          if (status?.attachError) throw new SetUpError(status.attachError.message ?? 'attaching failed');
          if (status?.attached && (await isAttached(uniqueName(volume), signal)))
            return status.attachmentMetadata ?? {};
          await clock.sleep(lookAgainMs, signal);
        }
      } finally {
        awaited.delete(ticket);
      }
    },
  };
}
