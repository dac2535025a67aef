/** A zip of files as they are: photographs get no smaller. */

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const VERSION = 20;         // of the format: folders in names
const UTF8 = 0x0800;        // names are UTF-8
const NO_DATE = 0x0021;     // 1 January 1980, the earliest

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  }
  return value;
});

/**
 * Return a zip; the files together have less than 4 GB.
 *
 * @param {[string, Blob][]} files - name with folders, and content.
 * @returns {Promise<Blob>}
 */
export async function zip(files) {
  const parts = [];
  const directory = [];
  let position = 0;
  for (const [name, content] of files) {
    const path = new TextEncoder().encode(name);
    const common = [
      [VERSION, 2], [UTF8, 2], [0, 2], [0, 2], [NO_DATE, 2],
      [crc32(new Uint8Array(await content.arrayBuffer())), 4],
      [content.size, 4], [content.size, 4], [path.length, 2], [0, 2]];
    const head = record([[LOCAL, 4], ...common]);
    directory.push(record([[CENTRAL, 4], [VERSION, 2], ...common, [0, 2],
                           [0, 2], [0, 2], [0, 4], [position, 4]]), path);
    parts.push(head, path, content);
    position += head.length + path.length + content.size;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  return new Blob([...parts, ...directory, record([
    [END, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2],
    [size, 4], [position, 4], [0, 2]])], { type: "application/zip" });
}

/** Return [number, bytes] one after the other, little-endian. */
function record(numbers) {
  return Uint8Array.from(numbers.flatMap(([number, bytes]) => Array.from(
    { length: bytes }, (_, index) => (number >>> (8 * index)) & 0xff)));
}

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value = CRC_TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  }
  return ~value >>> 0;
}
