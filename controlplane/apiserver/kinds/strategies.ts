// How each kind differs from plain objects, by its address.
import type { Strategy } from './kind.ts';

export const strategies: Readonly<Record<string, Strategy>> = {};
