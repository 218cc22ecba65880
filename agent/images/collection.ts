// Removes images that nobody needs: when the disk fills, when they are old, and when room is short at once.
import { statfs } from 'node:fs/promises';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { type Engine, isNotFound } from '../docker/engine.ts';
import type { EventSink } from '../model.ts';
import {
  bytesToFree,
  type CollectionPlan,
  isOldEnough,
  isTooOld,
  type KnownImage,
  noteImages,
  unneededImages,
} from './rules/collection.ts';

export interface ImageCollectionParts {
  readonly engine: Pick<Engine, 'info' | 'listImages' | 'listContainers' | 'removeImage'>;
  readonly plan: CollectionPlan;
  readonly pinned: ReadonlySet<string>;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ImageCollection {
  /** Notes who uses what: what is asked more often is known better. */
  look(signal: AbortSignal): Promise<void>;
  /** Frees room beyond the high mark, and removes what is too old. */
  collect(signal: AbortSignal): Promise<void>;
  /** Removes all that nobody needs, whatever its age. */
  removeUnused(signal: AbortSignal): Promise<void>;
}

export function createImageCollection(parts: ImageCollectionParts): ImageCollection {
  const { engine, plan, pinned, events, clock, log } = parts;
  const sinceMs = clock.now();
  let known: ReadonlyMap<string, KnownImage> = new Map();

  async function unneeded(signal: AbortSignal): Promise<readonly KnownImage[]> {
    const images = await engine.listImages(signal);
    // All containers, not ours alone: the engine may have other users.
    const inUse = new Set((await engine.listContainers({}, signal)).map(({ imageId }) => imageId));
    const named = images.map(({ id, tags, digests, sizeBytes }) => ({ id, names: [...tags, ...digests], sizeBytes }));
    known = noteImages(known, { images: named, inUse }, clock.now());
    return unneededImages({ known, inUse, pinned });
  }

  /** False when the engine holds on to it. An image goes with the last of its names. */
  async function remove(image: KnownImage, because: string, signal: AbortSignal): Promise<boolean> {
    try {
      for (const name of image.names.length > 0 ? image.names : [image.id]) {
        await engine.removeImage(name, signal).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
      }
      log.info({ image: image.names[0] ?? image.id, because }, 'Image removed');
      return true;
    } catch (err) {
      signal.throwIfAborted();
      log.warn({ image: image.names[0] ?? image.id, err }, 'Image could not be removed');
      return false;
    }
  }

  /** Removes until enough is freed; answers with what was. */
  async function free(images: readonly KnownImage[], bytes: number, because: string, signal: AbortSignal) {
    let freed = 0;
    for (const image of images) {
      if (freed >= bytes) break;
      if (await remove(image, because, signal)) freed += image.sizeBytes;
    }
    return freed;
  }

  async function collectByDisk(images: readonly KnownImage[], signal: AbortSignal): Promise<void> {
    const { bsize, blocks, bavail } = await statfs((await engine.info(signal)).dataRoot);
    const capacity = blocks * bsize;
    if (capacity === 0) {
      const message = 'invalid capacity 0 on image filesystem';
      return events.node({ type: 'Warning', reason: 'InvalidDiskCapacity', message });
    }
    const bytes = bytesToFree({ capacity, available: bavail * bsize }, plan);
    if (bytes === 0) return;
    const ripe = images.filter((image) => isOldEnough(image, plan, clock.now()));
    const freed = await free(ripe, bytes, 'the image disk is too full', signal);
    if (freed >= bytes) return;
    const message = `Failed to garbage collect required amount of images. Attempted to free ${bytes} bytes, but only found ${freed} bytes eligible to free.`;
    events.node({ type: 'Warning', reason: 'FreeDiskSpaceFailed', message });
  }

  return {
    look: async (signal) => {
      await unneeded(signal);
    },
    collect: async (signal) => {
      const images = await unneeded(signal);
      const old = images.filter((image) => isTooOld(image, plan, sinceMs, clock.now()));
      await free(old, Number.POSITIVE_INFINITY, 'nobody has used it for too long', signal);
      const rest = images.filter((image) => !old.includes(image));
      await collectByDisk(rest, signal);
    },
    removeUnused: async (signal) => {
      await free(await unneeded(signal), Number.POSITIVE_INFINITY, 'the node is low on disk', signal);
    },
  };
}
