// Which images go when the disk is full or they are old: the least recently used first, never one that somebody needs.

export interface KnownImage {
  readonly id: string;
  /** Every name it goes by, tags and digests. */
  readonly names: readonly string[];
  readonly sizeBytes: number;
  readonly firstSeenMs: number;
  readonly lastUsedMs: number;
}

export interface CollectionPlan {
  /** Percent of the disk: from here on images go … */
  readonly highPercent: number;
  /** … until no more than this is used. */
  readonly lowPercent: number;
  readonly minAgeMs: number;
  /** Unused for longer: goes, whatever room there is. 0: none does. */
  readonly maxAgeMs: number;
}

/** How much must go; 0 below the high mark. */
export function bytesToFree(
  { capacity, available }: { readonly capacity: number; readonly available: number },
  { highPercent, lowPercent }: CollectionPlan,
): number {
  const usedPercent = 100 - Math.floor((available * 100) / capacity);
  if (usedPercent < highPercent) return 0;
  return Math.max(0, Math.floor((capacity * (100 - lowPercent)) / 100) - available);
}

interface Looked {
  readonly images: readonly { readonly id: string; readonly names: readonly string[]; readonly sizeBytes: number }[];
  /** Ids that some container, even a dead one, was made from. */
  readonly inUse: ReadonlySet<string>;
}

/** Brings what is known up to date. Images that have gone are forgotten. */
export function noteImages(
  known: ReadonlyMap<string, KnownImage>,
  { images, inUse }: Looked,
  nowMs: number,
): ReadonlyMap<string, KnownImage> {
  return new Map(
    images.map((image) => {
      const before = known.get(image.id);
      const lastUsedMs = inUse.has(image.id) ? nowMs : (before?.lastUsedMs ?? 0);
      return [image.id, { ...image, firstSeenMs: before?.firstSeenMs ?? nowMs, lastUsedMs }];
    }),
  );
}

export interface Unneeded {
  readonly known: ReadonlyMap<string, KnownImage>;
  readonly inUse: ReadonlySet<string>;
  /** Names that are never removed: the pause image's. */
  readonly pinned: ReadonlySet<string>;
}

/** All that may go, in the order in which they do. */
export function unneededImages({ known, inUse, pinned }: Unneeded): readonly KnownImage[] {
  return [...known.values()]
    .filter(({ id, names }) => !inUse.has(id) && !names.some((name) => pinned.has(name)))
    .sort((a, b) => a.lastUsedMs - b.lastUsedMs || a.firstSeenMs - b.firstSeenMs || (a.id < b.id ? -1 : 1));
}

export const isOldEnough = ({ firstSeenMs }: KnownImage, { minAgeMs }: CollectionPlan, nowMs: number): boolean =>
  nowMs - firstSeenMs >= minAgeMs;

/** `sinceMs`: when counting began; before a whole age has passed nobody can know what was unused for so long. */
export function isTooOld(image: KnownImage, { maxAgeMs }: CollectionPlan, sinceMs: number, nowMs: number): boolean {
  if (maxAgeMs <= 0 || nowMs - sinceMs <= maxAgeMs) return false;
  return nowMs - Math.max(image.lastUsedMs, image.firstSeenMs) > maxAgeMs;
}
