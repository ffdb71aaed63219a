// Makes the picture of the gallery's page that the README shows.
//
//   node screenshot.mjs --gallery <program> --moderator <program> --playwright <folder> --output <file.png>
//
// `make screenshot` calls it. The page looks for Inter first: with Debian's fonts-inter the picture has that typeface.

import {drawnPhoto} from './drawn_photos.mjs';
import {readArguments, startBrowser, startGallery} from './services.mjs';

const given = readArguments();
const photos = 14;
const browser = await startBrowser(given.playwright);
const gallery = await startGallery(given);
try {
  const page = await browser.newPage({viewport: {width: 1280, height: 800}, colorScheme: given.scheme ?? 'light'});
  await page.goto(gallery.url);
  const files = [];
  for (let i = 0; i < photos; ++i) files.push(await drawnPhoto(page, i));
  for (const file of files) {  // one by one, for the order
    const before = await page.locator('#wall li').count();
    await page.setInputFiles('#pick', file);
    await page.waitForFunction((count) => document.querySelectorAll('#wall li').length > count, before);
  }
  // Somebody else looks around meanwhile.
  const until = Date.now() + 12000;
  while (Date.now() < until) {
    const list = await (await page.request.get(gallery.url + '/photos')).json();
    const {id} = list.photos[Math.floor(Math.random() * list.photos.length)];
    for (const path of ['/hello', `/photos/${id}`, `/photos/${id}/thumbnail?size=1024`, `/photos/${id}/original`]) {
      await page.request.get(gallery.url + path);
    }
    await page.waitForTimeout(60);
  }
  await page.locator('.upload').waitFor({state: 'detached'});
  await page.waitForFunction(() => [...document.querySelectorAll('#wall img')].every((image) => image.complete));
  await page.screenshot({path: given.output});
  console.log(`wrote ${given.output}`);
} finally {
  await browser.close();
  await gallery.stop();
}
