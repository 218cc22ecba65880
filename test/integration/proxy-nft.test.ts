// Real packets through the proxy's rules on iptables-nft.
import { packetSuite } from '../rig/packets.ts';

packetSuite('nft');
