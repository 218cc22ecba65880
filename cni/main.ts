#!/usr/bin/env node
// The bridge plugin as an executable: environment and stdin in, JSON on stdout out. Ships as one bundle with nothing but node: imports.
import { readFileSync, writeSync } from 'node:fs';
import { runBridge } from './bridge.ts';
import { CniCode, CniError, type CniRequest, SUPPORTED_VERSIONS } from './model.ts';

async function main(): Promise<void> {
  let asked: string | undefined;
  try {
    const config = readConfig();
    const version = (config as { cniVersion?: unknown } | null)?.cniVersion;
    asked = typeof version === 'string' ? version : undefined;
    const result = await runBridge(readRequest(config));
    if (result) print({ ...result, ...(asked ? { cniVersion: asked } : {}) });
  } catch (error) {
    const { code, message, details } =
      error instanceof CniError ? error : { code: CniCode.IoFailure, message: String(error), details: '' };
    print({ cniVersion: asked ?? SUPPORTED_VERSIONS.at(-1), code, msg: message, ...(details ? { details } : {}) });
    process.exitCode = 1;
  }
}

function readConfig(): unknown {
  const text = readFileSync(0, 'utf8');
  // VERSION may be asked before there is any configuration.
  if (text.trim() === '' && process.env['CNI_COMMAND'] === 'VERSION') return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CniError(CniCode.DecodingFailure, 'Cannot read the configuration on stdin as JSON', String(cause), cause);
  }
}

function readRequest(config: unknown): CniRequest {
  const { CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS } = process.env;
  return {
    command: CNI_COMMAND ?? '',
    containerId: CNI_CONTAINERID ?? '',
    netns: CNI_NETNS ?? '',
    ifName: CNI_IFNAME ?? '',
    args: CNI_ARGS ?? '',
    config,
  };
}

function print(answer: object): void {
  writeSync(1, `${JSON.stringify(answer)}\n`);
}

void main();
