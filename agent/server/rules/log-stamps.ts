// Docker stamps every record, and cuts long lines into records of 16 KiB. A reader wants one stamp per line.

/** "2006-01-02T15:04:05.000000000Z " */
const stampBytes = 31;
const recordBytes = 16 * 1024;

interface Piece {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

interface Position {
  /** Of the stamp that is being read; 0 inside the text. */
  stampLeft: number;
  /** How much text this record can still have. */
  textLeft: number;
  continued: boolean;
}

/** Returns what of each piece stays. The pieces of both streams pass here in order, cut anywhere. */
export function createStampFilter(): (piece: Piece) => Buffer {
  const start = (): Position => ({ stampLeft: stampBytes, textLeft: recordBytes, continued: false });
  const positions = { stdout: start(), stderr: start() };

  return ({ stream, data }) => {
    const at = positions[stream];
    const kept: Buffer[] = [];
    let rest = data;
    while (rest.length > 0) {
      const inStamp = at.stampLeft > 0;
      const piece = rest.subarray(0, inStamp ? at.stampLeft : textEnd(rest, at.textLeft));
      rest = rest.subarray(piece.length);
      if (!inStamp || !at.continued) kept.push(piece);
      if (inStamp) at.stampLeft -= piece.length;
      else advance(at, piece);
    }
    return kept.length === 1 && kept[0] ? kept[0] : Buffer.concat(kept);
  };
}

function textEnd(data: Buffer, left: number): number {
  const newline = data.indexOf(10);
  return newline < 0 ? left : Math.min(left, newline + 1);
}

/** A record ends with its line, or full in the middle of one. */
function advance(at: Position, piece: Buffer): void {
  at.textLeft -= piece.length;
  const endsLine = piece.at(-1) === 10;
  if (!endsLine && at.textLeft > 0) return;
  at.stampLeft = stampBytes;
  at.textLeft = recordBytes;
  at.continued = !endsLine;
}
