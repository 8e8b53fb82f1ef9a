// What the page asks of its server. Every failure is an Error whose message can be shown as it is.

const UNREACHABLE = "The server does not answer. It may have been stopped; start it again and reload the page.";

export async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error(UNREACHABLE);
  }
  return answerOf(response.status, await response.text());
}

// A file goes as the body itself, so that the server can stop reading at its limit.
export function upload(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `${path}name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("error", () => reject(new Error(`${file.name} did not arrive. ${UNREACHABLE}`)));
    request.addEventListener("load", () => {
      try {
        resolve(answerOf(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    });
    request.send(file);
  });
}

function answerOf(status, text) {
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error("The server failed; its terminal says why. Your clips are still there.");
  }
  if (status >= 400) {
    const error = new Error(sentence(answer.error ?? "The server refused this."));
    error.status = status;
    throw error;
  }
  return answer;
}

const sentence = (text) => (text.endsWith(".") ? text : `${text}.`);
