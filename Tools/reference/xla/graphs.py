"""The annotated models as graphs: what models.py says to JAX, in the operations of the cases.

Names that recipes annotate are those of models.py.
"""
from graph_writer import Graph

EPS = 1e-6


# ------------------------------------------------------------------------------ transformer
def weights(g, cfg, cross=True, cached=False):
    d, n, f, dc = cfg['d'], cfg['heads'], cfg['ff'], cfg['d_ctx']
    w_in = (lambda c: (c, n, d // n)) if cfg['layout'] == 'heads' else (lambda c: (c, d))
    w_out = (n, d // n, d) if cfg['layout'] == 'heads' else (d, d)
    shapes = dict(sq=w_in(d), sk=w_in(d), sv=w_in(d), so=w_out, w1=(d, f), w2=(f, d))
    if cross:
        shapes.update(cq=w_in(d), co=w_out)
        if not cached:
            shapes.update(ck=w_in(dc), cv=w_in(dc))
    p = {k: g.input(k, s, layered=True) for k, s in shapes.items()}
    for ln in ('ln1', 'ln2', 'ln3') if cross else ('ln1', 'ln3'):
        p[ln] = g.input('ln', (d,), layered=True), g.input('ln', (d,), layered=True)
    return p


def layer_norm(g, x, p):
    last = [len(x.shape) - 1]
    c = x - g.mean(x, last)
    kept = list(range(len(x.shape) - 1))
    v = g.op('reduce', c * c, kind='sum', dims=last) * (1.0 / x.shape[-1])
    r = g.broadcast(g.op('rsqrt', v + EPS), x.shape, kept)
    return c * r * p[0] + p[1]


def heads_in(g, x, w, n):
    if len(w.shape) == 3:                # layout 'heads': (d, heads, head_dim)
        return g.einsum('bsd,dnh->bsnh', x, w)
    y = g.einsum('bsd,de->bse', x, w)    # layout 'flat': (d, heads*head_dim), then a splitting reshape
    return y.reshape(*y.shape[:-1], n, y.shape[-1] // n)


def heads_out(g, o, w):
    if len(w.shape) == 3:
        return g.einsum('bsnh,nhd->bsd', o, w)
    return g.einsum('bse,ed->bsd', o.reshape(*o.shape[:-2], o.shape[-2] * o.shape[-1]), w)


def attend(g, q, k, v, mask=None):
    s = g.einsum('bqnh,bknh->bnqk', q, k) * (q.shape[-1] ** -0.5)
    if mask is not None:
        fill = g.broadcast(g.scalar(-1e9), s.shape, [])
        s = g.op('select', g.broadcast(mask, s.shape, range(4 - len(mask.shape), 4)), s, fill)
    return g.einsum('bnqk,bknh->bqnh', g.softmax(s), v)


def attention(g, x, src, p, pre, n, mask=None):
    q = g.keep(pre + '.q', heads_in(g, x, p[pre + 'q'], n))
    k = g.keep(pre + '.k', heads_in(g, src, p[pre + 'k'], n))
    v = g.keep(pre + '.v', heads_in(g, src, p[pre + 'v'], n))
    return heads_out(g, g.keep(pre + '.o', attend(g, q, k, v, mask)), p[pre + 'o'])


def mlp(g, x, p):
    h = g.keep('h', g.gelu(g.einsum('bsd,df->bsf', x, p['w1'])))
    return g.einsum('bsf,fd->bsd', h, p['w2'])


def block(g, x, ctx, p, n, mask=None):
    """Pre-LN: self-attention, cross-attention (when ctx is given), MLP."""
    y = g.keep('y', layer_norm(g, x, p['ln1']))
    x = g.keep('res', x + attention(g, y, y, p, 's', n, mask))
    if ctx is not None:
        y = g.keep('y', layer_norm(g, x, p['ln2']))
        x = g.keep('res', x + attention(g, y, ctx, p, 'c', n))
    y = g.keep('y', layer_norm(g, x, p['ln3']))
    return g.keep('res', x + mlp(g, y, p))


def transformer(name, cfg, tokens, cross=True, causal=False):
    g = Graph(name, cfg['dtype'])
    x = g.input('x', (cfg['B'], tokens, cfg['d']))
    ctx = g.input('ctx', (cfg['B'], cfg['T'], cfg['d_ctx'])) if cross else None
    mask = None
    if causal:
        rows, columns = (g.op('iota', dtype='s32', shape=[tokens, tokens], dim=d) for d in (0, 1))
        mask = g.op('compare', rows, columns, dir='ge')
    x = g.layer(x)
    p = weights(g, cfg, cross)
    return g.done(g.end_layer(block(g, x, ctx, p, cfg['heads'], mask)))


def muse(name, cfg):
    """Bidirectional self-attention over image tokens, cross-attention to text, MLP."""
    return transformer(name, cfg, cfg['S'])


def parti_encoder(name, cfg):
    return transformer(name, cfg, cfg['T'], cross=False)


def parti_decoder(name, cfg):
    """Teacher-forced over all image tokens (causal)."""
    return transformer(name, cfg, cfg['S'], causal=True)


def parti_step(name, cfg):
    """One autoregressive step: token ids -> embedding -> layers with KV cache -> logits -> argmax."""
    g = Graph(name, cfg['dtype'])
    n, hd, b = cfg['heads'], cfg['d'] // cfg['heads'], cfg['B']
    ids, t = g.input('ids', (b,), 's32'), g.input('t', (), 's32')
    table = g.input('table', (cfg['vocab'], cfg['d']))
    x = g.keep('res', g.op('gather_rows', table, ids).reshape(b, 1, cfg['d']))
    zero = g.scalar(0, 's32')
    position = g.op('iota', dtype='s32', shape=[cfg['S']], dim=0)
    mask = g.op('compare', position, g.broadcast(t, [cfg['S']], []), dir='le')
    x = g.layer(x)
    p = weights(g, cfg, cached=True)
    cache = {k: g.input('cache', (b, cfg['S'], n, hd), layered=True) for k in 'kv'}
    cross = {k: g.input('cross_cache', (b, cfg['T'], n, hd), layered=True) for k in 'kv'}
    y = g.keep('y', layer_norm(g, x, p['ln1']))
    q = g.keep('s.q', heads_in(g, y, p['sq'], n))
    k, v = (g.op('dynamic_update_slice', cache[c], heads_in(g, y, p['s' + c], n), zero, t, zero, zero) for c in 'kv')
    x = g.keep('res', x + heads_out(g, g.keep('s.o', attend(g, q, k, v, mask)), p['so']))
    y = g.keep('y', layer_norm(g, x, p['ln2']))
    q = g.keep('c.q', heads_in(g, y, p['cq'], n))
    x = g.keep('res', x + heads_out(g, g.keep('c.o', attend(g, q, cross['k'], cross['v'])), p['co']))
    y = g.keep('y', layer_norm(g, x, p['ln3']))
    x = g.end_layer(g.keep('res', x + mlp(g, y, p)), (k, v))
    z = g.keep('logits', g.einsum('bsd,vd->bsv', x, table)).reshape(b, cfg['vocab'])
    return g.done(g.op('argmax', z, axis=1))


# ------------------------------------------------------------------------------ embedding and logits
def embed(name, cfg, how):
    g = Graph(name)
    table, ids = g.input('table', (cfg['vocab'], cfg['d'])), g.input('ids', (cfg['B'], cfg['S']), 's32')
    if how == 'take':
        y = g.op('gather_rows', table, ids)
    else:
        shape = [cfg['B'], cfg['S'], cfg['vocab']]
        hot = g.op('compare', g.broadcast(ids, shape, [0, 1]), g.op('iota', dtype='s32', shape=shape, dim=2), dir='eq')
        y = g.einsum('bsv,vd->bsd', g.op('convert', hot, dtype='f32'), table)
    return g.done(g.keep('out', y))


def head(name, cfg, how):
    """Tied output head, then a decision on the vocabulary axis."""
    g = Graph(name)
    x, table = g.input('x', (cfg['B'], cfg['S'], cfg['d'])), g.input('table', (cfg['vocab'], cfg['d']))
    z = g.keep('logits', g.einsum('bsd,vd->bsv', x, table))
    if how == 'logits':
        r = z
    elif how == 'argmax':
        r = g.op('argmax', z, axis=2)
    elif how == 'softmax':
        r = g.softmax(z)
    elif how == 'logsumexp':
        m = g.op('reduce', z, kind='max', dims=[2])
        e = g.op('reduce', g.op('exp', z - g.broadcast(m, z.shape, [0, 1])), kind='sum', dims=[2])
        r = g.op('log', e) + m
    elif how == 'maxprob':               # Muse confidence: probability of the winning token
        r = g.op('reduce', g.softmax(z), kind='max', dims=[2])
    elif how == 'gumbel':                # sampling: the noise is a function of the position alone
        counter = g.op('convert', g.op('iota', dtype='s32', shape=z.shape, dim=2), dtype='f32')
        r = g.op('argmax', z + g.op('tanh', counter), axis=2)
    else:
        r = g.op('top_k', z, k=8)
    return g.done(r)


# ------------------------------------------------------------------------------ VQGAN pieces (NHWC / HWIO)
def conv(g, x, w, stride=1, pad=((1, 1), (1, 1))):
    return g.op('conv', x, w, strides=[stride, stride], padding=[list(p) for p in pad])


def group_norm(g, x, p, groups):
    b, h, w, c = x.shape
    y = x.reshape(b, h, w, groups, c // groups)
    y = y - g.mean(y, [1, 2, 4])
    v = g.op('reduce', y * y, kind='sum', dims=[1, 2, 4]) * (1.0 / (h * w * (c // groups)))
    y = y * g.broadcast(g.op('rsqrt', v + EPS), y.shape, [0, 3])
    return y.reshape(b, h, w, c) * p[0] + p[1]


def upsample(g, x):
    b, h, w, c = x.shape
    return g.broadcast(x, [b, h, 2, w, 2, c], [0, 1, 3, 5]).reshape(b, 2 * h, 2 * w, c)


def vqgan(name, cfg, piece):
    g = Graph(name)
    b, hw, c, groups = cfg['B'], cfg['HW'], cfg['C'], cfg['groups']
    kernel = lambda k=3, ci=c, co=c: g.input('w', (k, k, ci, co))
    norm = lambda: (g.input('gn', (c,)), g.input('gn', (c,)))
    swish = lambda x: x * g.op('logistic', x)

    def resblock(x):
        y = conv(g, swish(group_norm(g, x, norm(), groups)), kernel())
        return g.keep('res', x + conv(g, swish(group_norm(g, y, norm(), groups)), kernel()))
    x = g.input('x', (b, hw, hw, c))
    none = ((0, 0), (0, 0))
    if piece == 'conv1x1':
        r = g.keep('res', conv(g, x, kernel(1), pad=none))
    elif piece == 'conv3x3':
        r = g.keep('res', conv(g, x, kernel()))
    elif piece == 'conv5x5':
        r = g.keep('res', conv(g, x, kernel(5), pad=((2, 2), (2, 2))))
    elif piece == 'down':                # pad (0, 1), then stride 2
        r = g.keep('res', conv(g, x, kernel(), 2, ((0, 1), (0, 1))))
    elif piece == 'up':
        r = g.keep('res', conv(g, upsample(g, x), kernel()))
    elif piece == 'groupnorm':
        r = g.keep('res', group_norm(g, x, norm(), groups))
    elif piece == 'resblock':
        r = resblock(x)
    elif piece == 'attn':                # single-head attention over all positions, 1x1 projections
        y = group_norm(g, x, norm(), groups)
        q, k, v = (conv(g, y, kernel(1), pad=none).reshape(b, hw * hw, 1, c) for _ in 'qkv')
        o = attend(g, q, k, v).reshape(b, hw, hw, c)
        r = g.keep('res', x + conv(g, o, kernel(1), pad=none))
    else:                                # a small decoder: 2 res, up, 2 res, up, 2 res, to RGB
        for i in range(6):
            x = resblock(x)
            if i in (1, 3):
                x = g.keep('res', conv(g, upsample(g, x), kernel()))
        r = conv(g, x, kernel(3, c, 3))
    return g.done(r)


# ------------------------------------------------------------------------------ paper examples
def ffn(name, cfg):
    """einsum BSM,MH->BSH ; relu ; einsum BSH,HM->BSM, the running example of the GSPMD paper."""
    g = Graph(name)
    x = g.layer(g.keep('res', g.input('x', (cfg['B'], cfg['S'], cfg['d']))))
    w1 = g.input('w1', (cfg['d'], cfg['ff']), layered=True)
    w2 = g.input('w2', (cfg['ff'], cfg['d']), layered=True)
    h = g.keep('h', g.relu(g.einsum('bsm,mh->bsh', x, w1)))
    return g.done(g.end_layer(g.keep('res', g.einsum('bsh,hm->bsm', h, w2))))


def attn(name, cfg):
    g = Graph(name)
    d, n = cfg['d'], cfg['heads']
    x = g.layer(g.keep('res', g.input('x', (cfg['B'], cfg['S'], d))))
    p = {k: g.input(k, (d, n, d // n), layered=True) for k in ('sq', 'sk', 'sv')}
    p['so'] = g.input('so', (n, d // n, d), layered=True)
    return g.done(g.end_layer(g.keep('res', attention(g, x, x, p, 's', n))))


def pipeline(name, cfg, how, stages=4, steps=6):
    """Vectorised pipeline of the GSPMD paper: stages stacked on dim 0, state shifted by one stage a step."""
    g = Graph(name)
    b, d = cfg['B'], cfg['d']
    x, w = g.input('x', (steps, b, d)), g.input('w', (stages, d, d))
    shape = [stages, b, d]
    cut = lambda v, i, j: g.op('slice', v, start=[i] + [0] * (len(v.shape) - 1), limit=[j] + v.shape[1:])
    st = g.keep('state', g.broadcast(g.scalar(0.0), shape, []))
    outs = []
    for t in range(steps):
        if how == 'concat':
            st = g.op('concatenate', cut(x, t, t + 1), cut(st, 0, stages - 1), dim=0)
        else:
            index = g.op('iota', dtype='s32', shape=shape, dim=0)
            first = g.op('compare', index, g.broadcast(g.scalar(0, 's32'), shape, []), dir='eq')
            rolled = g.op('concatenate', cut(st, stages - 1, stages), cut(st, 0, stages - 1), dim=0)
            st = g.op('select', first, g.broadcast(cut(x, t, t + 1).reshape(b, d), shape, [1, 2]), rolled)
        st = g.keep('state', g.relu(g.einsum('sbd,sde->sbe', st, w)))
        outs.append(cut(st, stages - 1, stages))
    return g.done(g.op('concatenate', *outs, dim=0))
