const rateHz = 16_000;

/**
 * A sound with the traits of a voice that matter to codecs and voice detectors: a buzz of harmonics with a wandering
 * pitch, in syllables, over a little noise. The same every time.
 */
export function voiceSignal(samples: number): Int16Array {
  const signal = new Int16Array(samples);
  let phase = 0;
  let noise = 1;
  for (let i = 0; i < samples; i++) {
    const seconds = i / rateHz;
    phase += (2 * Math.PI * (130 + 25 * Math.sin(2 * Math.PI * 0.9 * seconds))) / rateHz;
    let buzz = 0;
    for (let harmonic = 1; harmonic <= 12; harmonic++) buzz += Math.sin(harmonic * phase) / harmonic;
    const syllable = Math.max(0, Math.sin(2 * Math.PI * 3.5 * seconds));
    noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) | 0;
    signal[i] = 5_000 * syllable * buzz + 150 * (noise / 2 ** 31);
  }
  return signal;
}
