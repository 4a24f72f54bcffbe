// Latent vectors from seeds, as PyTorch computes them on a CPU. docs/export.md describes the rule.

const SIZE = 624, SHIFT = 397;
const UNIT_24 = 2 ** -24, UNIT_53 = 2 ** -53;

/** MT19937 (Matsumoto and Nishimura 1998), seeded with `init_genrand`. */
export class MersenneTwister {
  constructor(seed) {
    this.state = new Uint32Array(SIZE);
    this.state[0] = seed % 2 ** 32;
    for (let i = 1; i < SIZE; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(before, 1812433253) + i;
    }
    this.position = SIZE;
  }

  /** The next whole number, 0 to 2^32 - 1. */
  next() {
    if (this.position === SIZE) this.refill();
    let value = this.state[this.position++];
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    value ^= value >>> 18;
    return value >>> 0;
  }

  refill() {
    const state = this.state;
    for (let i = 0; i < SIZE; i++) {
      const joined = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
      state[i] = state[(i + SHIFT) % SIZE] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.position = 0;
  }
}

/** Numbers in [0, 1) that follow, as `torch.rand` draws them. */
export function uniforms(random, count) {
  return Array.from({ length: count }, () => (random.next() & 0xffffff) * UNIT_24);
}

/** The latent vector of a seed, 0 to 2^53, as float32 of this size; times the truncation. */
export function latentOf(seed, size, truncation = 1, random = new MersenneTwister(seed)) {
  const values = size < 16 ? fewNormals(random, size) : manyNormals(random, size);
  return truncation === 1 ? values : values.map((value) => value * Math.fround(truncation));
}

/** Normal numbers in blocks of 16 (Box and Muller 1958). */
function manyNormals(random, size) {
  const values = new Float32Array(size);
  const fill = (start, end) => {
    for (let i = start; i < end; i++) values[i] = (random.next() & 0xffffff) * UNIT_24;
  };
  fill(0, size);
  for (let start = 0; start + 16 <= size; start += 16) transformBlock(values, start);
  if (size % 16) {
    fill(size - 16, size);
    transformBlock(values, size - 16);
  }
  return values;
}

function transformBlock(values, start) {
  for (let i = start; i < start + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
    const angle = 2 * Math.PI * values[i + 8];
    values[i] = radius * Math.cos(angle);
    values[i + 8] = radius * Math.sin(angle);
  }
}

/** Normal numbers in pairs, from numbers of 53 bits. */
function fewNormals(random, size) {
  const values = new Float32Array(size);
  const uniform = () => {
    const high = random.next() & 0x1fffff; // 21 bits; with the next 32 there are 53
    return (high * 2 ** 32 + random.next()) * UNIT_53;
  };
  for (let i = 0; i < size; i += 2) {
    const angle = 2 * Math.PI * uniform();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform()));
    values[i] = radius * Math.cos(angle);
    if (i + 1 < size) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
