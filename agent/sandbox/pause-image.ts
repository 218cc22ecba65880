// The pause image, made from bytes that the agent carries: no registry is needed for a sandbox.
import { Readable } from 'node:stream';
import { type Engine, isNotFound } from '../docker/engine.ts';
import pause from './pause.data.json' with { type: 'json' };

export const pauseImage = 'nodelet/pause:1';

const blockBytes = 512;

/** A tar archive with one executable file, owned by root. */
export function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o755, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(content.length, 12), 124);
  header.write(octal(0, 12), 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * blockBytes)]);
}

/** The pause program for an architecture as Node names it; throws where we carry none. */
export function pauseProgram(architecture: string): Buffer {
  const programs: Readonly<Record<string, string>> = pause;
  const bytes = Object.hasOwn(programs, architecture) ? programs[architecture] : undefined;
  if (bytes === undefined) throw new Error(`Cannot make the pause image: no program for "${architecture}"`);
  return Buffer.from(bytes, 'base64');
}

/** Answers with the image's id, importing it where it is missing. */
export async function ensurePauseImage(engine: Engine, architecture: string, signal?: AbortSignal): Promise<string> {
  try {
    return (await engine.inspectImage(pauseImage, signal)).id;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const tar = Readable.from([tarOf('pause', pauseProgram(architecture))], { objectMode: false });
  return engine.importImage(tar, pauseImage, ['ENTRYPOINT ["/pause"]'], signal);
}
