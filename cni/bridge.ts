// The bridge plugin as a library: parse → plan → act, undone when it fails → answer. The executable and the agent run the same code.
import { accessSync, constants, mkdirSync } from 'node:fs';
import { CommandError } from '../host/commands.ts';
import { LinkError } from '../host/links.ts';
import { findLease, listLeases, releaseLease, takeLease } from './leases.ts';
import { checkNetns, ensureBridge, lookAt, plugIn, removeLink, setUpPodSide } from './links.ts';
import {
  type Attachment,
  type AttachmentKey,
  type BridgeConfig,
  CniCode,
  CniError,
  type CniRequest,
  type Lease,
  SUPPORTED_VERSIONS,
} from './model.ts';
import { differences, observedOf } from './rules/check.ts';
import { parseBridgeConfig, parseVersion } from './rules/config.ts';
import { checkEnvironment, macOf, parseArgs } from './rules/names.ts';
import { routesFor } from './rules/plan.ts';
import { describeAddress } from './rules/ranges.ts';
import { type CniResult, renderResult } from './rules/result.ts';

/** Answers one call: a result for ADD and VERSION, nothing for the others. Throws `CniError` and nothing else. */
export async function runBridge(request: CniRequest, signal?: AbortSignal): Promise<CniResult | undefined> {
  try {
    switch (request.command) {
      case 'ADD':
        return await add(request, signal);
      case 'DEL':
        return await del(request, signal);
      case 'CHECK':
        return await check(request, signal);
      case 'STATUS':
        return status(parseBridgeConfig(request.config));
      case 'GC':
        return await collect(parseBridgeConfig(request.config), signal);
      case 'VERSION':
        return { cniVersion: SUPPORTED_VERSIONS.at(-1), supportedVersions: SUPPORTED_VERSIONS };
    }
  } catch (error) {
    throw toCniError(error);
  }
  throw new CniError(CniCode.InvalidEnvironment, `Invalid CNI_COMMAND "${request.command}"`);
}

/** Repeatable: a container that is attached as wished gets the same answer again, any other state is mended. */
async function add(request: CniRequest, signal?: AbortSignal): Promise<CniResult> {
  const config = parseRequest(request);
  checkNetns(request.netns);
  const { lease, isNew } = await takeLease(config, keyOf(request));
  try {
    const attachment = attachmentOf(config, lease, request.netns);
    if (!isNew) {
      const seen = await lookAt(config, attachment, signal);
      if (differences(config, attachment, seen).length === 0) {
        return renderResult(config, attachment, observedOf(seen));
      }
      await removeLink(lease.hostIfName, signal);
    }
    await ensureBridge(config, signal);
    const seen = await plugIn(config, attachment, signal);
    await setUpPodSide(attachment, signal);
    return renderResult(config, attachment, seen);
  } catch (error) {
    // One step undoes all: the pod's end of the cable goes with the host's. What resists stays leased, so that DEL and GC find it.
    await detach(config, lease).catch(() => undefined);
    throw error;
  }
}

/** The namespace may be gone, and the container may never have been ours. First the cable, then the address. */
async function del(request: CniRequest, signal?: AbortSignal): Promise<undefined> {
  const config = parseRequest(request);
  const lease = findLease(config.leaseDir, keyOf(request));
  if (lease) await detach(config, lease, signal);
}

async function check(request: CniRequest, signal?: AbortSignal): Promise<undefined> {
  const config = parseRequest(request);
  if (config.cniVersion.startsWith('0.3.')) {
    throw new CniError(CniCode.IncompatibleVersion, `CNI version "${config.cniVersion}" has no CHECK`);
  }
  if (!config.prevResult)
    throw new CniError(CniCode.InvalidConfig, 'Invalid network configuration: CHECK needs "prevResult"');
  checkNetns(request.netns);
  const lease = findLease(config.leaseDir, keyOf(request));
  if (!lease) throw new CniError(CniCode.NotAsAdded, `Container "${request.containerId}" holds no address`);
  const attachment = attachmentOf(config, lease, request.netns);
  const found = differences(config, attachment, await lookAt(config, attachment, signal));
  if (found.length > 0) throw new CniError(CniCode.NotAsAdded, found.join('; '));
}

/** Ready to ADD: leases can be written. */
function status(config: BridgeConfig): undefined {
  try {
    mkdirSync(config.leaseDir, { recursive: true, mode: 0o700 });
    accessSync(config.leaseDir, constants.W_OK);
  } catch (cause) {
    throw new CniError(CniCode.NotAvailable, `Cannot write leases to "${config.leaseDir}"`, String(cause), cause);
  }
}

/** Removes what the runtime does not count as attached any more. */
async function collect(config: BridgeConfig, signal?: AbortSignal): Promise<undefined> {
  const { validAttachments, leaseDir } = config;
  if (!validAttachments) {
    throw new CniError(CniCode.InvalidConfig, 'Invalid network configuration: GC needs "cni.dev/valid-attachments"');
  }
  const isValid = (lease: AttachmentKey) =>
    validAttachments.some(({ containerId, ifName }) => containerId === lease.containerId && ifName === lease.ifName);
  for (const lease of listLeases(leaseDir)) {
    if (!isValid(lease)) await detach(config, lease, signal);
  }
}

async function detach({ leaseDir }: BridgeConfig, lease: Lease, signal?: AbortSignal): Promise<void> {
  await removeLink(lease.hostIfName, signal);
  await releaseLease(leaseDir, lease);
}

function parseRequest(request: CniRequest): BridgeConfig {
  parseVersion(request.config);
  checkEnvironment(request);
  return parseBridgeConfig(request.config, parseArgs(request.args));
}

function keyOf({ containerId, ifName }: CniRequest): AttachmentKey {
  return { containerId, ifName };
}

function attachmentOf(config: BridgeConfig, lease: Lease, netns: string): Attachment {
  const { containerId, ifName, hostIfName } = lease;
  const addresses = lease.addresses.map((text) => {
    const described = describeAddress(config.rangeSets, text);
    if (described) return described;
    throw new CniError(
      CniCode.InvalidConfig,
      `Container "${containerId}" holds "${text}", which no range has any more`,
    );
  });
  return {
    containerId,
    ifName,
    hostIfName,
    netns,
    mac: macOf(addresses),
    addresses,
    routes: routesFor(config, addresses),
  };
}

function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  if (error instanceof LinkError || error instanceof CommandError) {
    return new CniError(CniCode.HostRefused, error.message, '', error);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CniError(CniCode.IoFailure, message, '', error);
}
