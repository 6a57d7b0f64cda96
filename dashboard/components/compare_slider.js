// Two images on top of each other. The slider moves the line that divides them.

class Compare {
  constructor(root) {
    this.get = (selector) => root.querySelector(selector);
    this.divider = this.get('.divider');
    this.divider.oninput = () => this.divide();
    const stage = this.get('.stage');
    stage.onpointermove = stage.onpointerdown = (event) => {
      if (event.type === 'pointermove' && !event.buttons) return;
      const box = stage.getBoundingClientRect();
      this.divider.value = 100 * (event.clientX - box.left) / box.width;
      this.divide();
    };
  }

  receive({ before, after, ratio, label }) {
    this.get('.stage').style.aspectRatio = String(ratio);
    this.get('img.before').src = before;
    this.get('img.after').src = after;
    this.divider.setAttribute('aria-label', label);
    this.divide();
  }

  divide() {
    this.get('.stage').style.setProperty('--at', `${this.divider.value}%`);
  }
}

export default function ({ data, parentElement }) {
  (parentElement.__probingCompare ??= new Compare(parentElement)).receive(data);
}
