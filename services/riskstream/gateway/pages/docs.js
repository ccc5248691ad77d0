// The page that tries the gateway's routes. It reads openapi.json and builds all of itself from it,
// by text alone: nothing that comes from a server is ever read as HTML.
'use strict';

const el = (name, given = {}, ...inside) => {
  const out = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key in out && key !== 'list') out[key] = value; else out.setAttribute(key, value);
  }
  out.append(...inside);
  return out;
};

// `code` between backquotes, the rest as text; lines that begin with "- " are a list
const inline = text => text.split('`').map((part, at) => at % 2 ? el('code', {}, part) : part);
const prose = text => {
  const out = document.createDocumentFragment();
  for (const part of (text || '').split('\n\n').filter(Boolean)) {
    const lines = part.split('\n');
    if (lines.every(line => line.startsWith('- '))) {
      out.append(el('ul', {}, ...lines.map(line => el('li', {}, ...inline(line.slice(2))))));
    } else {
      out.append(el('p', {}, ...inline(lines.join(' '))));
    }
  }
  return out;
};

const resolve = (whole, part) => {
  let found = part;
  while (found && found.$ref) {
    found = found.$ref.slice(2).split('/').reduce((at, key) => at[key], whole);
  }
  return found;
};

const kind = schema => {
  const types = [].concat(schema.type || []).join(' or ');
  const limits = [];
  if (schema.minimum !== undefined && schema.maximum !== undefined) {
    limits.push(`${schema.minimum.toLocaleString('en')} to ${schema.maximum.toLocaleString('en')}`);
  }
  if (schema.enum) limits.push(schema.enum.filter(each => each !== null).join(', '));
  if (schema.pattern) limits.push(schema.pattern);
  return types + (limits.length ? ': ' + limits.join('; ') : '');
};

const fields = (whole, given, caption) => {
  let schema = resolve(whole, given);
  if (schema.type === 'array') schema = resolve(whole, schema.items);
  if (!schema.properties) return prose(schema.description);
  const needed = new Set(schema.required || []);
  const rows = Object.entries(schema.properties).map(([name, part]) => {
    const each = resolve(whole, part);
    return el('tr', {}, el('th', {scope: 'row'}, el('code', {}, name)),
      el('td', {}, needed.has(name) ? 'yes' : ''), el('td', {}, kind(each)),
      el('td', {}, ...inline(each.description || '')));
  });
  const head = el('tr', {}, ...['field', 'needed', 'value', 'meaning'].map(
    text => el('th', {scope: 'col'}, text)));
  return el('div', {className: 'wide', tabIndex: 0, role: 'region', ariaLabel: caption},
    el('table', {}, el('caption', {}, caption), el('thead', {}, head), el('tbody', {}, ...rows)));
};

// New ids and the time of now: an example can be sent again and again.
const fresh = value => {
  const tag = Date.now().toString(36);
  const one = (item, at) => {
    const out = {...item};
    for (const key of ['transaction_id', 'label_id']) {
      if (key in out) out[key] = `${out[key]}-${tag}${at}`;
    }
    if ('occurred_at' in out) out.occurred_at = Date.now();
    return out;
  };
  if (typeof value === 'string') {
    const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
    const hex = bytes.map(each => each.toString(16).padStart(2, '0')).join('');
    const id = hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5');
    return value.replace(/<UETR>.*?<\/UETR>/, `<UETR>${id}</UETR>`)
      .replace(/<CreDtTm>.*?<\/CreDtTm>/,
        `<CreDtTm>${new Date().toISOString().slice(0, 19)}Z</CreDtTm>`);
  }
  const out = Array.isArray(value) ? value.map((each, at) => one(each, `-${at}`)) : one(value, '');
  return JSON.stringify(out, null, 2);
};

class Route {
  constructor(whole, path, method, what) {
    Object.assign(this, {whole, path, method, what, id: what.operationId, inputs: []});
  }

  build() {
    const [title, inside] = [el('summary', {}), el('div', {})];
    title.append(el('span', {className: `method ${this.method}`}, this.method.toUpperCase()),
      el('span', {className: 'path'}, this.path), el('span', {}, this.what.summary));
    this.node = el('details', {className: 'route', id: this.id}, title, inside);
    this.node.addEventListener('toggle', () => this.node.open && inside.childNodes.length === 0
      && this.fill(inside));
    return this.node;
  }

  fill(inside) {
    const form = el('form', {});
    const asked = (this.what.parameters || []).map(each => resolve(this.whole, each));
    form.append(...asked.filter(each => each.required).map(each => this.parameter(each)),
      ...this.body(), el('details', {className: 'more'}, el('summary', {}, 'Headers and options'),
        ...asked.filter(each => !each.required).map(each => this.parameter(each))));
    this.button = el('button', {type: 'submit'}, 'Send');
    this.said = el('span', {className: 'status', role: 'status'});
    form.append(el('div', {className: 'send'}, this.button, this.said));
    form.addEventListener('submit', event => { event.preventDefault(); this.send(); });
    this.out = el('div', {});
    inside.append(prose(this.what.description), form, this.out, this.reference());
  }

  parameter(each) {
    const [id, isNeeded] = [`${this.id}-${each.name}`, each.required];
    const input = el('input', {id, name: each.name, autocomplete: 'off', spellcheck: false,
      required: isNeeded, value: isNeeded ? String(each.example ?? '') : '',
      placeholder: isNeeded ? '' : String(each.example ?? '')});
    input.setAttribute('aria-describedby', `${id}-help`);
    this.inputs.push({each, input});
    const where = `${each.in}${isNeeded ? ', needed' : ''}`;
    return el('div', {className: 'row'},
      el('label', {htmlFor: id}, el('code', {}, each.name), ` (${where})`), input,
      el('small', {id: `${id}-help`}, ...inline(each.description)));
  }

  body() {
    if (!this.what.requestBody) return [];
    const [[media, content]] = Object.entries(this.what.requestBody.content);
    const examples = Object.entries(content.examples);
    this.media = media;
    this.text = el('textarea', {id: `${this.id}-body`, spellcheck: false});
    const choose = el('select', {id: `${this.id}-example`},
      ...examples.map(([name, each]) => el('option', {value: name}, each.summary)));
    const take = () => {
      this.text.value = fresh(content.examples[choose.value].value);
      this.text.rows = Math.min(this.text.value.split('\n').length + 1, 24);
    };
    choose.addEventListener('change', take);
    take();
    const again = el('button', {type: 'button', className: 'plain'}, 'New ids');
    again.addEventListener('click', take);
    return [
      el('div', {className: 'send'}, el('label', {htmlFor: choose.id}, 'Example'), choose, again),
      el('label', {htmlFor: this.text.id}, `Body (${media})`), this.text];
  }

  request() {
    let path = this.path;
    const [query, headers] = [new URLSearchParams(), {}];
    for (const {each, input} of this.inputs) {
      if (!input.value) continue;
      if (each.in === 'path') path = path.replace(`{${each.name}}`, encodeURIComponent(input.value));
      else if (each.in === 'query') query.append(each.name, input.value);
      else headers[each.name] = input.value;
    }
    const key = document.getElementById('key').value.trim();
    if (key) headers.Authorization = `Bearer ${key}`;
    if (this.media) headers['Content-Type'] = this.media;
    const search = query.toString();
    return {url: path + (search ? `?${search}` : ''),
      options: {method: this.method.toUpperCase(), headers, credentials: 'omit', cache: 'no-store',
        ...(this.text ? {body: this.text.value} : {})}};
  }

  async send() {
    const {url, options} = this.request();
    this.button.disabled = true;
    this.said.className = 'status';
    this.said.textContent = 'Waiting…';
    const started = performance.now();
    try {
      const answer = await fetch(url, options);
      const text = await answer.text();
      const took = performance.now() - started;
      this.said.classList.add(answer.ok ? 'good' : 'bad');
      this.said.textContent = `${answer.status} ${answer.statusText} in ${took.toFixed(1)} ms`;
      const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
      this.out.replaceChildren(el('h3', {}, 'Answer'), el('pre', {tabIndex: 0}, pretty(text)),
        el('h3', {}, 'Headers'), el('pre', {tabIndex: 0}, head));
    } catch (error) {
      this.said.classList.add('bad');
      this.said.textContent = `No answer: ${error.message}`;
      this.out.replaceChildren();
    } finally {
      this.button.disabled = false;
    }
  }

  reference() {
    const out = el('details', {className: 'more'}, el('summary', {}, 'Fields and answers'));
    if (this.what.requestBody) {
      const [content] = Object.values(this.what.requestBody.content);
      out.append(fields(this.whole, content.schema, 'Body'));
    }
    const rows = [];
    for (const [status, part] of Object.entries(this.what.responses)) {
      const each = resolve(this.whole, part);
      const [content] = Object.values(each.content || {});
      if (status < '300' && content) out.append(fields(this.whole, content.schema, 'Answer'));
      rows.push(el('tr', {}, el('th', {scope: 'row'}, status),
        el('td', {}, prose(each.description))));
    }
    out.append(el('table', {}, el('caption', {}, 'Statuses'), el('tbody', {}, ...rows)));
    return out;
  }
}

const pretty = text => {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
};

const build = whole => {
  const main = document.getElementById('routes');
  main.replaceChildren(prose(whole.info.description));
  for (const tag of whole.tags) {
    main.append(el('h2', {}, tag.description));
    for (const [path, methods] of Object.entries(whole.paths)) {
      for (const [method, what] of Object.entries(methods)) {
        if (what.tags[0] === tag.name) main.append(new Route(whole, path, method, what).build());
      }
    }
  }
  const open = document.getElementById(location.hash.slice(1) || 'decide');
  if (open && open.tagName === 'DETAILS') open.open = true;
};

document.getElementById('key-form').addEventListener('submit', event => event.preventDefault());
document.getElementById('show-key').addEventListener('change', event => {
  document.getElementById('key').type = event.target.checked ? 'text' : 'password';
});
fetch('openapi.json').then(answer => answer.json()).then(build).catch(error => {
  document.getElementById('routes').textContent = `openapi.json cannot be read: ${error.message}`;
});
