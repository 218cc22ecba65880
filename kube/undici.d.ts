// Types for the one part of undici that we load: the pool alone weighs half of the package.
declare module 'undici/lib/dispatcher/pool.js' {
  import type { Pool } from 'undici';

  const pool: typeof Pool;
  export default pool;
}
