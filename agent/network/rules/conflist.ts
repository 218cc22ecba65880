// Reads network configurations as libcni does: a list of plugins, or one plugin that stands for a list of one.

export interface PluginConfig {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export interface NetworkConfig {
  readonly cniVersion: string;
  readonly name: string;
  readonly disableCheck?: boolean;
  readonly plugins: readonly PluginConfig[];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The content of a *.conf, *.json or *.conflist file. Throws an Error that says what is wrong with it. */
export function parseNetworkConfig(text: string): NetworkConfig {
  const file: unknown = JSON.parse(text);
  if (!isObject(file)) throw new Error('it is not a JSON object');
  const { name, cniVersion = '0.1.0', plugins = [file] } = file;
  if (typeof name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new Error(`field "name" is ${JSON.stringify(name)}, expected the name of a network`);
  }
  if (typeof cniVersion !== 'string') throw new Error(`field "cniVersion" is ${JSON.stringify(cniVersion)}`);
  if (!Array.isArray(plugins) || plugins.length === 0) throw new Error('field "plugins" is empty');
  return { name, cniVersion, disableCheck: file['disableCheck'] === true, plugins: plugins.map(parsePlugin) };
}

function parsePlugin(plugin: unknown, at: number): PluginConfig {
  const type = isObject(plugin) ? plugin['type'] : undefined;
  // A type names a file of the plugin directory and nothing outside of it (CVE-2021-20206).
  if (typeof type === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(type)) return plugin as PluginConfig;
  throw new Error(`field "plugins[${at}].type" is ${JSON.stringify(type)}, expected the file name of a plugin`);
}

/** Which files of a directory may hold a network, in the order in which they are tried. */
export function candidateFiles(names: readonly string[]): readonly string[] {
  return names.filter((name) => /\.(conf|conflist|json)$/.test(name)).toSorted();
}

/** What one plugin of a list gets on stdin. Only capabilities that it declares reach it. */
export function pluginInput(
  network: NetworkConfig,
  plugin: PluginConfig,
  capabilityArgs: Readonly<Record<string, unknown>>,
  prevResult: unknown,
): Readonly<Record<string, unknown>> {
  const declared = Object.entries(capabilityArgs).filter(([name]) => plugin.capabilities?.[name] === true);
  return {
    ...plugin,
    cniVersion: network.cniVersion,
    name: network.name,
    ...(declared.length > 0 ? { runtimeConfig: Object.fromEntries(declared) } : {}),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

/** The pod's addresses of a result, without prefix lengths, in the plugin's order. */
export function addressesOf(result: unknown): readonly string[] {
  const ips = isObject(result) && Array.isArray(result['ips']) ? result['ips'] : [];
  return ips.flatMap((ip: unknown) => {
    const address = isObject(ip) ? ip['address'] : undefined;
    return typeof address === 'string' ? [address.split('/')[0] ?? address] : [];
  });
}
