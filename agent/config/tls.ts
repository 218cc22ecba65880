// Cipher suites by the names that Kubernetes uses for them, and those that OpenSSL does.
import { ConfigError } from './config.ts';

/** The suites of TLS 1.2 that are still strong. Those of TLS 1.3 are, all of them, and cannot be chosen. */
const suites: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
};
const tls13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/** What OpenSSL is told; all strong ones where none are named. Throws `ConfigError` for one that is unknown or weak. */
export function cipherList(names: readonly string[]): string {
  for (const name of names) {
    if (!Object.hasOwn(suites, name) && !tls13.includes(name)) {
      const known = Object.keys(suites).join(', ');
      throw new ConfigError(`tlsCipherSuites: ${JSON.stringify(name)} is not valid: want one of ${known}`);
    }
  }
  const chosen = names.flatMap((name) => suites[name] ?? []);
  return [...new Set([...tls13, ...(names.length > 0 ? chosen : Object.values(suites))])].join(':');
}
