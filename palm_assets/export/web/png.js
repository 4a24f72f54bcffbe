// PNG files of generated images, with their origin in text chunks and in XMP.

import { zlibSync } from "./vendor/fflate.js";

const PAETH = 4;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = (byte >>> 1) ^ (byte & 1 ? 0xedb88320 : 0);
  return byte;
});

/**
 * An image as a PNG file.
 *
 * @param {Uint8Array} planes red, green and blue, each side x side.
 * @param {number} side in pixels.
 * @param {Record<string, string>} texts keyword to text, ASCII.
 * @param {string} xmp an XMP packet.
 */
export function encodePng(planes, side, texts, xmp) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, side);
  view.setUint32(4, side);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  const chunks = [
    chunk("IHDR", header),
    ...Object.entries(texts).map(([keyword, text]) => chunk("tEXt", bytes(`${keyword}\0${text}`))),
    chunk("iTXt", bytes(`XML:com.adobe.xmp\0\0\0\0\0${xmp}`)),
    chunk("IDAT", zlibSync(filtered(planes, side), { level: 6 })),
    chunk("IEND", new Uint8Array(0)),
  ];
  return joined([Uint8Array.from(SIGNATURE), ...chunks]);
}

/** Rows of RGB, each after its filter type; the filter is Paeth's (PNG specification, section 9.4). */
function filtered(planes, side) {
  const size = side * side, stride = 3 * side;
  const rows = new Uint8Array(size * 3);
  for (let i = 0; i < size; i++) {
    for (let color = 0; color < 3; color++) rows[3 * i + color] = planes[color * size + i];
  }
  const out = new Uint8Array((stride + 1) * side);
  for (let y = 0; y < side; y++) {
    out[y * (stride + 1)] = PAETH;
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x < 3 ? 0 : rows[at - 3];
      const up = y === 0 ? 0 : rows[at - stride];
      const corner = x < 3 || y === 0 ? 0 : rows[at - stride - 3];
      out[y * (stride + 1) + 1 + x] = rows[at] - paeth(left, up, corner);
    }
  }
  return out;
}

function paeth(left, up, corner) {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

function chunk(kind, data) {
  const out = new Uint8Array(data.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(bytes(kind), 4);
  out.set(data, 8);
  view.setUint32(data.length + 8, crc32(out.subarray(4, data.length + 8)));
  return out;
}

function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function bytes(text) {
  return new TextEncoder().encode(text);
}

function joined(parts) {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
