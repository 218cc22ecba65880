// Images over the engine's API.
import type { Engine } from './engine.ts';
import { toEngineError } from './errors.ts';
import { lastProgress } from './lines.ts';
import type { Call, Transport } from './transport.ts';
import { toImage, toImageSummary, type WireImage } from './wire.ts';

type ImageMethods = Pick<Engine, 'listImages' | 'inspectImage' | 'pullImage' | 'removeImage' | 'importImage'>;

// A registry that sends nothing for so long is gone.
const silenceMs = 120_000;

export function createImageCalls(transport: Transport): ImageMethods {
  /** Runs a call that reports its progress; ends it when no progress comes for too long. */
  async function follow(call: Call): Promise<string> {
    const quiet = new AbortController();
    const signal = call.signal ? AbortSignal.any([call.signal, quiet.signal]) : quiet.signal;
    let timer = setTimeout(() => quiet.abort(), silenceMs);
    async function* watched(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
      for await (const chunk of source) {
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), silenceMs);
        yield chunk;
      }
    }
    try {
      const body = await transport.stream({ ...call, signal });
      return await lastProgress(call.what, watched(body));
    } catch (error) {
      call.signal?.throwIfAborted();
      throw toEngineError(call.what, quiet.signal.aborted ? new DOMException('silence', 'TimeoutError') : error);
    } finally {
      clearTimeout(timer);
    }
  }

  const path = (reference: string): string => `/images/${encodeURI(reference)}`;

  return {
    listImages: async (signal) => {
      const images = await transport.json<WireImage[]>({
        what: 'Cannot list images',
        method: 'GET',
        path: '/images/json',
        signal,
      });
      return images.map(toImageSummary);
    },
    inspectImage: async (reference, signal) => {
      const what = `Cannot inspect image "${reference}"`;
      return toImage(await transport.json<WireImage>({ what, method: 'GET', path: `${path(reference)}/json`, signal }));
    },
    pullImage: async (reference, credentials, signal) => {
      await follow({
        what: `Cannot pull image "${reference}"`,
        method: 'POST',
        path: '/images/create',
        query: { fromImage: reference },
        credentials: credentials && {
          username: credentials.username,
          password: credentials.password,
          serveraddress: credentials.serverAddress,
          ...(credentials.identityToken ? { identitytoken: credentials.identityToken } : {}),
        },
        signal,
      });
    },
    removeImage: async (reference, signal) => {
      const what = `Cannot remove image "${reference}"`;
      await transport.json({ what, method: 'DELETE', path: path(reference), signal });
    },
    importImage: (tar, reference, changes, signal) => {
      const colon = reference.lastIndexOf(':');
      return follow({
        what: `Cannot import image "${reference}"`,
        method: 'POST',
        path: '/images/create',
        query: { fromSrc: '-', repo: reference.slice(0, colon), tag: reference.slice(colon + 1), changes },
        upload: tar,
        signal,
      });
    },
  };
}
