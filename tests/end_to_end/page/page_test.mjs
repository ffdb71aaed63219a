// The gallery's page in a browser, against the real gallery.
//
//   node page_test.mjs --gallery <program> --moderator <program> --playwright <folder with node_modules>
//
// Ends with 77 when there is no browser to test with.

import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {after, test} from 'node:test';

import {drawnPhoto} from './drawn_photos.mjs';
import {readArguments, startBrowser, startGallery} from './services.mjs';

/** How long anything may take, on a machine that has much else to do; reached only when something is wrong. */
const patience = 60_000;

const given = readArguments();
const browser = await startBrowser(given.playwright);
const gallery = await startGallery(given);

after(async () => {
  await browser.close();
  await gallery.stop();
});

/** Opens the page as somebody else would, and collects what the browser complains about. */
async function open(options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 800}, ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.complaints = [];
  page.on('console', (message) => { if (message.type() === 'error') page.complaints.push(message.text()); });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  await page.goto(gallery.url);
  return page;
}

const tiles = (page) => page.locator('#wall li');
const upload = (page, files) => page.setInputFiles('#pick', files);

/** Waits until `count` photos are on the page and their thumbnails have been decoded. */
async function seesPhotos(page, count) {
  await page.waitForFunction((wanted) => {
    const images = [...document.querySelectorAll('#wall img')];
    return images.length === wanted && images.every((image) => image.complete && image.naturalWidth > 0);
  }, count);
}

/** Waits until the thumbnail at `index` has been decoded. It is loaded when it comes into sight, not before. */
async function seesThumbnail(page, index) {
  await page.waitForFunction((at) => {
    const image = document.querySelectorAll('#wall img')[at];
    image.scrollIntoView();
    return image.complete && image.naturalWidth > 0;
  }, index);
}

/** Waits until `condition` holds for what the card of a route says, and gives that: figures arrive once a second. */
async function figuresOf(page, route, condition = () => true) {
  const card = page.locator('.route').filter({has: page.locator('h3', {hasText: new RegExp(`^${route}$`)})});
  await card.waitFor();
  return eventually(page, async () => {
    const values = await card.locator('dd').allTextContents();
    const [requests, rate, p50, p99, idle] = values;
    return {
      requests, rate, p50, p99, idle, badge: await card.locator('.badge').textContent(),
      bar: await card.locator('.bar').getAttribute('aria-label'),
    };
  }, condition);
}

/** Calls `read` until `condition` holds for what it gives, which is then given; what it gave last if that never is. */
async function eventually(page, read, condition) {
  const giveUp = Date.now() + patience;
  for (;;) {
    const value = await read();
    if (condition(value)) return value;
    assert.ok(Date.now() < giveUp, `still ${JSON.stringify(value)} after ${patience} ms`);
    await page.waitForTimeout(50);
  }
}

/** What the page writes as a time, in milliseconds. */
function milliseconds(text) {
  const [, number, unit] = /^([\d.,]+) (µs|ms|s)$/.exec(text);
  return Number(number.replace(',', '')) * {'µs': 1e-3, ms: 1, s: 1e3}[unit];
}

/** The page must never be wider than the window. */
async function fitsItsWidth(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.equal(content, window);
}

const photo = await (async () => {
  const canvas = await browser.newPage();
  const drawn = await drawnPhoto(canvas, 0);
  await canvas.close();
  return drawn;
})();

test('an empty gallery says how to begin and breaks no policy', async () => {
  const page = await open();
  await page.waitForSelector('body.empty');
  await page.getByRole('heading', {name: 'Drop photos anywhere'}).waitFor();
  const answer = await page.request.get(gallery.url);
  assert.match(answer.headers()['content-security-policy'], /script-src 'sha256-/);
  await page.waitForSelector('#status.live');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a photo that is picked appears, can be seen large, and downloads byte for byte', async () => {
  const page = await open();
  await upload(page, photo);
  await seesPhotos(page, 1);
  await page.locator('.upload').waitFor({state: 'detached'});

  await tiles(page).first().getByRole('button').click();
  await page.waitForFunction(() => document.getElementById('large').naturalWidth === 1024);
  assert.match(await page.locator('#caption').textContent(), /^JPEG, 1600 × 1067, \d+ kB/);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  assert.match(download.suggestedFilename(), /^photo-.+\.jpg$/);
  assert.ok(photo.buffer.equals(await readFile(await download.path())));
  await page.keyboard.press('Escape');
  await page.locator('#viewer').waitFor({state: 'hidden'});
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the live figures show where an upload\'s time went', async () => {
  const page = await open();
  await page.waitForSelector('#status.live');
  const figures = await figuresOf(page, 'POST /photos', ({requests}) => requests === '1');
  assert.ok(milliseconds(figures.p50) >= 100, `the moderator alone takes 100 ms, the upload ${figures.p50}`);
  assert.match(figures.bar, /running \d+ %/);
  assert.match(figures.bar, /network \d+ %/);
  assert.match(figures.badge, /^(I\/O-bound|CPU-bound|mixed)$/);
  assert.match(await page.locator('#status-text').textContent(), /^virtual threads · up \d/);
  const inFlight = page.locator('#process div', {hasText: 'in flight'}).locator('dd');
  await eventually(page, () => inFlight.textContent(), (shown) => shown === '1');  // the page's own

  // They are live: the figures of a route move while the page only watches.
  assert.equal(await page.locator('.route', {hasText: '/hello'}).count(), 0);
  for (let i = 0; i < 5; ++i) await page.request.get(gallery.url + '/hello');
  await figuresOf(page, 'GET /hello', ({requests}) => requests === '5');
  // However seldom the page gets to ask, some of these are within the time that it shows; not all for long.
  await page.getByRole('button', {name: 'Last 10 s'}).click();
  let asked = 5;
  await eventually(page, async () => {
    ++asked;
    await page.request.get(gallery.url + '/hello');
    return Number((await figuresOf(page, 'GET /hello')).requests);
  }, (requests) => requests > 0 && requests <= asked);
  await figuresOf(page, 'GET /hello', ({requests}) => requests === '0');
  await page.getByRole('button', {name: 'Since start'}).click();
  await figuresOf(page, 'GET /hello', ({requests}) => requests === String(asked));
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a file that is no photo is refused with the reason that the gallery gives', async () => {
  const page = await open();
  await seesPhotos(page, 1);
  const refused = page.waitForResponse((answer) => answer.request().method() === 'POST');
  await upload(page, {name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('not a photo')});
  const {error} = await (await refused).json();
  assert.ok(error.message.length > 10);
  await page.locator('.upload.failed', {hasText: error.message}).waitFor();
  await page.getByRole('button', {name: 'Dismiss'}).click();
  await page.locator('.upload').waitFor({state: 'detached'});
  assert.equal(await tiles(page).count(), 1);

  // Too large a file, this one dropped on the page, is refused before it is sent.
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(20_000_001)], 'huge.jpg', {type: 'image/jpeg'}));
    dispatchEvent(new DragEvent('drop', {dataTransfer, cancelable: true}));
  });
  await page.locator('.upload.failed', {hasText: 'the limit is 20 MB'}).waitFor();
  await page.context().close();
});

test('many photos at once arrive newest first, for who watches too, and by pages for who comes later', async () => {
  const shown = (page) => tiles(page).evaluateAll((items) => items.map((item) => item.dataset.id));
  const page = await open();
  const watcher = await open();
  await seesPhotos(watcher, 1);
  const many = [];
  for (let i = 1; i <= 60; ++i) {
    many.push(await drawnPhoto(page, i, {type: i % 2 ? 'image/png' : 'image/jpeg', size: [64, 48]}));
  }
  await upload(page, many);
  for (const each of [page, watcher]) {
    await each.waitForFunction(() => document.querySelectorAll('#wall li').length === 61);
  }

  const later = await open();
  const tileCount = (page) => tiles(page).count();
  while (await later.getByText('All 61 photos').count() === 0) {
    const before = await tileCount(later);
    await later.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await later.waitForFunction((known) => document.querySelectorAll('#wall li').length > known ||
      document.getElementById('more').textContent === 'All 61 photos', before);
  }
  assert.equal(await tileCount(later), 61);
  for (let i = 0; i < 61; ++i) await seesThumbnail(later, i);
  const listed = [];
  for (let cursor = ''; cursor !== null;) {
    const answer = await (await page.request.get(`${gallery.url}/photos${cursor}`)).json();
    listed.push(...answer.photos.map(({id}) => id));
    cursor = answer.next_cursor && `?cursor=${encodeURIComponent(answer.next_cursor)}`;
  }
  assert.deepEqual(await shown(later), listed);
  for (const each of [page, watcher, later]) {
    assert.deepEqual((await shown(each)).sort(), [...listed].sort());
    assert.deepEqual(each.complaints, []);
    await each.context().close();
  }
});

test('deleting takes two presses', async () => {
  const page = await open();
  await tiles(page).first().waitFor();
  const id = await tiles(page).first().getAttribute('data-id');
  await tiles(page).first().getByRole('button').click();
  await page.getByRole('button', {name: 'Delete'}).click();
  assert.equal((await page.request.get(`${gallery.url}/photos/${id}`)).status(), 200);
  await page.getByRole('button', {name: 'Delete for good?'}).click();
  await page.waitForFunction((gone) => document.querySelector('#wall li').dataset.id !== gone, id);
  assert.equal((await page.request.get(`${gallery.url}/photos/${id}`)).status(), 404);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`on a phone, ${colorScheme}, everything fits the width`, async () => {
    const page = await open({viewport: {width: 390, height: 844}, isMobile: true, hasTouch: true, colorScheme});
    await page.waitForSelector('#status.live');
    await tiles(page).first().waitFor();
    await fitsItsWidth(page);
    await upload(page, {name: 'a_name_with_no_blank_'.repeat(9), mimeType: 'image/png', buffer: Buffer.from('x')});
    await page.locator('.upload.failed').waitFor();
    await fitsItsWidth(page);
    assert.equal(await page.locator('#figures').isVisible(), false);
    await page.getByRole('button', {name: 'Live figures'}).tap();
    await figuresOf(page, 'POST /photos');
    assert.equal(await page.locator('#wall').isVisible(), false);
    await fitsItsWidth(page);
    await page.getByRole('button', {name: 'Photos', exact: true}).tap();
    await tiles(page).first().getByRole('button').tap();
    await page.waitForFunction(() => document.getElementById('large').naturalWidth > 0);
    await fitsItsWidth(page);
    await page.context().close();
  });
}

test('a gallery that went away is said to be away', async () => {
  const page = await open();
  await page.waitForSelector('#status.live');
  const codes = await gallery.stop();
  assert.equal(codes[0], 0);  // it was asked to end, and ended well
  await page.waitForSelector('#status.lost');
  assert.match(await page.locator('#status-text').textContent(), /not reachable/);
  await page.context().close();
});
