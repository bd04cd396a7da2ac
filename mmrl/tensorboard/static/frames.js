// Frames of a camera, cut from sheets: `columns` by `rows` frames each, row by row.

import { address } from "./api.js";

const KEPT = 24; // decoded sheets
const sheets = new Map();

function sheet(episode, camera, number) {
  const key = address("sheet", { id: episode.id, camera, number, version: episode.version });
  let image = sheets.get(key);
  if (image) sheets.delete(key); // to the end: used last
  else {
    image = new Promise((resolve, reject) => {
      const one = new Image();
      one.onload = () => resolve(one);
      one.onerror = () => {
        sheets.delete(key); // so that it is asked for again
        reject(new Error(`the frames of ${camera} cannot be read`));
      };
      one.src = key;
    });
  }
  sheets.set(key, image);
  if (sheets.size > KEPT) sheets.delete(sheets.keys().next().value);
  return image;
}

export function place(layout, step) {
  const k = Math.max(0, Math.min(step, layout.frames - 1));
  const each = layout.columns * layout.rows;
  const within = k % each;
  return {
    number: Math.floor(k / each),
    x: (within % layout.columns) * layout.width,
    y: Math.floor(within / layout.columns) * layout.height,
  };
}

export async function draw(canvas, episode, camera, layout, step) {
  const at = place(layout, step);
  const wanted = `${camera} ${step}`;
  canvas.dataset.wanted = wanted;
  const image = await sheet(episode, camera, at.number);
  if (canvas.dataset.wanted !== wanted) return; // another step meanwhile
  const context = canvas.getContext("2d");
  context.drawImage(
    image, at.x, at.y, layout.width, layout.height, 0, 0, layout.width, layout.height,
  );
  canvas.dataset.step = step;
  const next = (at.number + 1) * layout.columns * layout.rows;
  if (next < layout.frames) sheet(episode, camera, at.number + 1).catch(() => {});
}

export function drawAttention(canvas, weights) {
  const rows = weights?.length ?? 0;
  const columns = weights?.[0]?.length ?? 0;
  canvas.hidden = !rows || !columns;
  if (canvas.hidden) return;
  canvas.width = columns;
  canvas.height = rows;
  const most = Math.max(...weights.flat(), 1e-9);
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  weights.flat().forEach((weight, k) => {
    const share = (weight ?? 0) / most;
    image.data.set([255, 190, 30, Math.round(190 * share)], 4 * k);
  });
  context.putImageData(image, 0, 0);
}
