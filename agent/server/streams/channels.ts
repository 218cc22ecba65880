// Messages of the channel protocols: a channel number, then what it carries; base64 for callers that cannot do bytes.

export interface ChannelCodec {
  /** The channel and what it carries; undefined for a message that is not of the protocol. */
  decode(message: Buffer): { channel: number; data: Buffer } | undefined;
  encode(channel: number, data: Buffer): Buffer | string;
}

const binary: ChannelCodec = {
  decode: (message) =>
    message.length === 0 ? undefined : { channel: message.readUInt8(0), data: message.subarray(1) },
  encode: (channel, data) => Buffer.concat([Buffer.from([channel]), data]),
};

const base64: ChannelCodec = {
  decode: (message) =>
    message.length === 0
      ? undefined
      : { channel: message.readUInt8(0) - 48, data: Buffer.from(message.toString('latin1', 1), 'base64') },
  encode: (channel, data) => `${channel}${data.toString('base64')}`,
};

/** The codec of a protocol's messages. */
export function channelCodec(protocol: string): ChannelCodec {
  return protocol.includes('base64') ? base64 : binary;
}
