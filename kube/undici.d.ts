// The parts of undici that we load by themselves: their types are the package's own.
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici';

  export default Pool;
}

declare module 'undici/lib/api/index.js' {
  import type { Dispatcher } from 'undici';

  const api: { request: Dispatcher['request'] };
  export default api;
}
