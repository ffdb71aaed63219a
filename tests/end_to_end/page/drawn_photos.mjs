// Landscapes to upload, drawn in a browser's canvas, so that the tree needs no pictures and nobody's rights. The same
// number always gives the same picture.

/** Runs inside the browser: draws landscape `number` and returns the file as a base64 data URL. */
function draw({number, width, height, type}) {
  let state = number * 2654435761 % 4294967296;
  const random = (low = 0, high = 1) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) >>> 0;
    return low + (high - low) * (state / 4294967296);
  };
  const canvas = Object.assign(document.createElement('canvas'), {width, height});
  const context = canvas.getContext('2d');
  const unit = Math.min(width, height) / 1000;

  const fill = (stops, x0, y0, x1, y1) => {
    const gradient = context.createLinearGradient(x0, y0, x1, y1);
    stops.forEach((color, i) => gradient.addColorStop(i / (stops.length - 1), color));
    context.fillStyle = gradient;
  };
  const sky = (...stops) => { fill(stops, 0, 0, 0, height); context.fillRect(0, 0, width, height); };
  const glow = (x, y, radius, rgb, alpha) => {
    const gradient = context.createRadialGradient(x, y, 0, x, y, radius);
    for (const [at, share] of [[0, 1], [0.25, 0.55], [0.6, 0.14], [1, 0]]) {
      gradient.addColorStop(at, `rgba(${rgb},${alpha * share})`);
    }
    context.fillStyle = gradient;
    context.fillRect(0, 0, width, height);
  };
  const disc = (x, y, radius, color) => {
    context.fillStyle = color;
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fill();
  };
  /** A ridge line: waves of halving size. */
  const ridge = (base, rough, color, below) => {
    const waves = Array.from({length: 6}, (_, i) => [random(0.6, 1.4) * 2 ** i, random(0, 7), rough / 1.95 ** i]);
    fill([color, below], 0, base - rough, 0, Math.min(height, base + 340 * unit));
    context.beginPath();
    context.moveTo(0, height);
    for (let x = 0; x <= width; x += 2) {
      context.lineTo(x, base - waves.reduce((sum, [f, p, a]) => sum + a * Math.sin(f * 4 * x / width + p), 0));
    }
    context.lineTo(width, height);
    context.fill();
  };
  const ridges = (from, colors, rough) => colors.forEach(([color, below], i) =>
    ridge(height * (from + (1 - from) * i / colors.length), rough * unit * (0.7 + 0.2 * i), color, below));
  const stars = (n) => {
    for (let i = 0; i < n; ++i) {
      disc(random(0, width), random(0, height * 0.7), random(0.5, 1.9) * unit, `rgba(255,250,235,${random(0.3, 1)})`);
    }
  };
  /** Glints of a light on water, within `reach` of `x`. */
  const glint = (x, y, reach, wide, high, rgb, alpha) => {
    context.fillStyle = `rgba(${rgb},${alpha})`;
    context.fillRect(x + random(-1, 1) * reach, y, wide, high);
  };

  const scenes = [
    () => {  // dusk over mountains
      sky('#2b2a55', '#8d4b7a', '#f08a5d', '#ffd29a');
      glow(width * 0.64, height * 0.52, 520 * unit, '255,225,160', .85);
      disc(width * 0.64, height * 0.5, 62 * unit, '#fff3d6');
      ridges(0.56, [['#9b5f86', '#d88a7e'], ['#6b3f6f', '#a4596f'], ['#40294f', '#6d3c5a'],
        ['#1d1530', '#2b1b3c']], 70);
    },
    () => {  // a sea in the morning
      sky('#7fb4d8', '#c4dfe9', '#fdf0dc', '#fbe0c0');
      glow(width * 0.3, height * 0.5, 480 * unit, '255,250,225', .95);
      fill(['#8fbccb', '#3f86a3', '#1c4f6e'], 0, height * 0.55, 0, height);
      context.fillRect(0, height * 0.55, width, height);
      for (let i = 0; i < 900; ++i) {
        const depth = random() ** 2;
        glint(width * 0.3, height * (0.555 + 0.44 * depth), (44 + 570 * depth) * unit,
          random(10, 90) * unit * (0.2 + depth), (1 + 4 * depth) * unit,
          '255,248,225', random(0.03, 0.3) * (1 - depth * 0.6));
      }
      ridge(height * 0.56, 16 * unit, 'rgba(70,110,130,.8)', 'rgba(70,110,130,0)');
    },
    () => {  // northern lights
      sky('#050b1c', '#0c2138', '#123a4a');
      stars(420);
      context.globalCompositeOperation = 'screen';
      for (let band = 0; band < 3; ++band) {
        const phase = random(0, 6), base = height * (0.3 + 0.11 * band);
        for (let x = 0; x < width; x += 3) {
          const y = base + Math.sin(x / width * 5 + phase) * 90 * unit + Math.sin(x / width * 13 + phase) * 24 * unit;
          const tall = (190 + 120 * Math.sin(x / width * 21 + phase * 3)) * unit;
          fill(['rgba(120,80,220,0)', 'rgba(60,220,150,.19)', 'rgba(60,220,150,0)'], 0, y - tall, 0, y + 40 * unit);
          context.fillRect(x, y - tall, 4, tall + 40 * unit);
        }
      }
      context.globalCompositeOperation = 'source-over';
      ridges(0.76, [['#0d2733', '#0a1c28'], ['#061019', '#03080d']], 60);
    },
    () => {  // dunes
      sky('#5aa0d0', '#a9d2e6', '#f6e6c6');
      ridges(0.46, [['#e9bd7f', '#dfa463'], ['#d99a58', '#c27f43'], ['#bd7438', '#9d5a2b'],
        ['#8e4c25', '#6d361b']], 85);
    },
    () => {  // a forest in mist
      sky('#cfdcd8', '#e6ece4', '#b9cbc2');
      for (let layer = 0; layer < 5; ++layer) {
        const base = height * (0.5 + 0.13 * layer), shade = 150 - 30 * layer;
        const green = `rgb(${shade * 0.5},${shade * 0.8},${shade * 0.72})`;
        for (let x = -40 * unit; x < width + 40 * unit; x += random(16, 38) * unit * (0.7 + layer * 0.35)) {
          const tall = random(110, 250) * unit * (0.6 + layer * 0.25), wide = tall * 0.21;
          context.fillStyle = green;
          context.beginPath();
          for (let step = 0; step < 5; ++step) {  // branches, each wider than the one above
            const y = base - tall * (1 - step * 0.21), half = wide * (0.3 + step * 0.2);
            context.moveTo(x, y - tall * 0.08);
            context.lineTo(x - half, y + tall * 0.22);
            context.lineTo(x + half, y + tall * 0.22);
          }
          context.fill();
        }
        context.fillStyle = green;
        context.fillRect(0, base, width, height);
        const mist = [`rgba(222,232,226,${0.66 - layer * 0.14})`, 'rgba(222,232,226,0)'];
        fill(mist, 0, base + 30 * unit, 0, base - 200 * unit);
        context.fillRect(0, 0, width, height);
      }
    },
    () => {  // cloth: warp and weft
      const warp = ['#e9dcc3', '#d8c6a5'], weft = ['#c2502b', '#e07a3f', '#2d5f7d', '#8a2f23'];
      const pitch = 46 * unit;
      for (let row = 0; row * pitch < height; ++row) {
        const color = weft[Math.floor(row / 3 + random(0, 1.4)) % weft.length];
        for (let column = 0; column * pitch < width; ++column) {
          const over = (row + column) % 2 === 0, x = column * pitch, y = row * pitch;
          context.fillStyle = '#3a2318';
          context.fillRect(x, y, pitch, pitch);
          const thread = over ? color : warp[column % 2];
          const round = ['rgba(0,0,0,.5)', 'rgba(255,255,255,.28)', 'rgba(0,0,0,.5)'];
          fill(round, x, y, over ? x : x + pitch, over ? y + pitch : y);
          const shade = context.fillStyle;
          const long = pitch + 6 * unit, wide = pitch - 8 * unit;
          const box = over ? [x - 3 * unit, y + 4 * unit, long, wide] : [x + 4 * unit, y - 3 * unit, wide, long];
          context.fillStyle = thread;
          context.fillRect(...box);
          context.fillStyle = shade;
          context.fillRect(...box);
        }
      }
      glow(width * 0.3, height * 0.2, 900 * unit, '255,240,210', .35);
    },
    () => {  // moonrise over a lake
      sky('#10183a', '#2d3f73', '#6a7fae', '#c9bfc9');
      stars(160);
      glow(width * 0.5, height * 0.32, 330 * unit, '255,244,214', .55);
      disc(width * 0.5, height * 0.32, 74 * unit, '#fff6dd');
      ridges(0.55, [['#4b5c8c', '#6f7fa6'], ['#283560', '#3b4a78']], 80);
      fill(['#33416f', '#0e1430'], 0, height * 0.74, 0, height);
      context.fillRect(0, height * 0.74, width, height);
      for (let i = 0; i < 260; ++i) {
        const depth = random();
        glint(width * 0.5, height * (0.745 + 0.25 * depth), (40 + 110 * depth) * unit,
          random(8, 60) * unit, 2.6 * unit, '255,244,214', random(0.05, 0.4) * (1 - depth * 0.6));
      }
    },
    () => {  // rolling fields
      sky('#6fb1e0', '#bfe0ee', '#fdf6dd');
      for (let i = 0; i < 40; ++i) {
        glow(random(0, width), height * random(0.08, 0.34), random(110, 320) * unit, '255,255,255', 0.32);
      }
      ridges(0.52, [['#9fbf7a', '#7fa862'], ['#c8b954', '#a6a043'], ['#6d9a48', '#4d7c38'],
        ['#3c6a30', '#264a22']], 46);
    },
  ];
  scenes[number % scenes.length]();

  const grain = context.getImageData(0, 0, width, height);  // as film has: without it JPEGs are untypically small
  for (let i = 0; i < grain.data.length; i += 4) {
    const amount = random(-7, 7);
    for (let channel = 0; channel < 3; ++channel) grain.data[i + channel] += amount;
  }
  context.putImageData(grain, 0, 0);
  return canvas.toDataURL(type, 0.9);
}

const shapes = [[1600, 1067], [1500, 1000], [1600, 900], [1067, 1600], [1400, 1400], [1600, 1200]];

/** Draws landscape `number` in `page` and returns it as Playwright takes a file. */
export async function drawnPhoto(page, number, {type = 'image/jpeg', size = shapes[number % shapes.length]} = {}) {
  const [width, height] = size;
  const url = await page.evaluate(draw, {number, width, height, type});
  const name = `landscape-${number}.${type === 'image/png' ? 'png' : 'jpg'}`;
  return {name, mimeType: type, buffer: Buffer.from(url.split(',')[1], 'base64')};
}
