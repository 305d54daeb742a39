"""Writes graphs in the operations of the cases without JAX: shapes and element types are inferred here.

A graph has nodes before, in and after a layer; a layer stands once, whatever the depth. Inside it `@` is the value that
the layer before gave, and ids that begin with `L.` are its own. A constraint carries a name instead of a sharding: the
recipe says what it means, and a recipe that does not know the name leaves it out.
"""
from math import prod

UNARY = ('exp', 'tanh', 'rsqrt', 'neg', 'abs', 'logistic', 'log', 'sqrt')
BINARY = ('add', 'sub', 'mul', 'div', 'max', 'min')


def _dot(x, y, a):
    free = lambda s, used: [n for i, n in enumerate(s) if i not in used]
    lhs = a.get('lhs_batch', []) + a['lhs_contract']
    rhs = a.get('rhs_batch', []) + a['rhs_contract']
    return [x[i] for i in a.get('lhs_batch', [])] + free(x, lhs) + free(y, rhs)


def infer(op, shapes, dtypes, a):
    """Shape and element type of a result."""
    x, dtype = (shapes[0], dtypes[0]) if shapes else (None, None)
    if op in UNARY or op in BINARY or op in ('constraint', 'reverse', 'sort', 'dynamic_update_slice'):
        assert op not in BINARY or shapes[0] == shapes[1], (op, shapes)
        return x, dtype
    if op == 'const':
        return [], a['dtype']
    if op == 'iota':
        return a['shape'], a['dtype']
    if op == 'select':
        return shapes[1], dtypes[1]
    if op == 'compare':
        return x, 'pred'
    if op == 'convert':
        return x, a['dtype']
    if op == 'dot_general':
        return _dot(shapes[0], shapes[1], a), dtype
    if op == 'broadcast_in_dim':
        return a['shape'], dtype
    if op == 'transpose':
        return [x[i] for i in a['perm']], dtype
    if op == 'reshape':
        assert prod(a['shape']) == prod(x), (x, a)
        return a['shape'], dtype
    if op == 'reduce':
        return [n for i, n in enumerate(x) if i not in a['dims']], dtype
    if op == 'concatenate':
        return [sum(s[i] for s in shapes) if i == a['dim'] else n for i, n in enumerate(x)], dtype
    if op == 'slice':
        return [l - s for s, l in zip(a['start'], a['limit'])], dtype
    if op == 'gather_rows':
        return shapes[1] + x[1:], dtype
    if op == 'dynamic_slice':
        return a['sizes'], dtype
    if op == 'conv':
        w = shapes[1]
        rows = [(n + sum(p) - k) // s + 1 for n, p, k, s in zip(x[1:3], a['padding'], w[:2], a['strides'])]
        return [x[0]] + rows + [w[3]], dtype
    if op == 'argmax':
        return [n for i, n in enumerate(x) if i != a['axis']], 's32'
    if op == 'top_k':                    # pairs (value, index)
        return x[:-1] + [a['k'], 2], 'f32'
    raise ValueError(op)


class Value:
    """A value of the graph; arithmetic on it writes nodes, and numbers and smaller ranks are broadcast."""

    def __init__(self, graph, id_, shape, dtype):
        self.graph, self.id, self.shape, self.dtype = graph, id_, list(shape), dtype

    def __add__(self, other): return self.graph.binary('add', self, other)
    def __sub__(self, other): return self.graph.binary('sub', self, other)
    def __mul__(self, other): return self.graph.binary('mul', self, other)
    def __truediv__(self, other): return self.graph.binary('div', self, other)
    def reshape(self, *shape): return self.graph.op('reshape', self, shape=list(shape))


class Graph:
    def __init__(self, name, dtype='f32'):
        self.name, self.dtype = name, dtype
        self.record = dict(name=name, inputs=[], before=[], layer=None, after=[], outputs=[])
        self.section, self.count = self.record['before'], 0

    # ---- structure
    def input(self, name, shape, dtype=None, layered=False):
        """An input; its name is what recipes annotate. Several inputs may have one name."""
        inputs = self.record['layer']['inputs'] if layered else self.record['inputs']
        id_ = f"{'L.' if layered else ''}i{len(inputs)}"
        inputs.append(dict(id=id_, name=name, shape=list(shape), dtype=dtype or self.dtype))
        return Value(self, id_, shape, dtype or self.dtype)

    def layer(self, value):
        """Begins the layer; returns what it is given."""
        self.record['layer'] = dict(inputs=[], given=value.id, nodes=[], gives=None, outputs=[])
        self.section = self.record['layer']['nodes']
        return Value(self, '@', value.shape, value.dtype)

    def end_layer(self, value, outputs=()):
        self.record['layer'].update(gives=value.id, outputs=[o.id for o in outputs])
        self.section = self.record['after']
        return Value(self, '@', value.shape, value.dtype)

    def done(self, *outputs):
        self.record['outputs'] = [o.id for o in outputs]
        return self.record

    # ---- operations
    def op(self, op, *operands, **attrs):
        shape, dtype = infer(op, [o.shape for o in operands], [o.dtype for o in operands], attrs)
        inside = self.record['layer'] is not None and self.section is self.record['layer']['nodes']
        id_ = f"{'L.' if inside else ''}n{self.count}"
        self.count += 1
        self.section.append({'id': id_, 'op': op, 'in': [o.id for o in operands], 'attrs': attrs,
                             'shape': list(shape), 'dtype': dtype})
        return Value(self, id_, shape, dtype)

    def scalar(self, value, dtype=None):
        return self.op('const', value=value, dtype=dtype or self.dtype)

    def broadcast(self, value, shape, dims):
        return self.op('broadcast_in_dim', value, shape=list(shape), dims=list(dims))

    def binary(self, op, a, b):
        if not isinstance(b, Value):
            b = self.scalar(b, a.dtype)
        if b.shape != a.shape:           # trailing dimensions agree; the rest is broadcast
            rank = len(a.shape)
            b = self.broadcast(b, a.shape, range(rank - len(b.shape), rank))
        return self.op(op, a, b)

    def keep(self, name, value):
        """A place that a recipe may annotate."""
        return self.op('constraint', value, name=name)

    def reduce(self, value, kind, dims):
        """Reduced, with the reduced dimensions broadcast back."""
        kept = [d for d in range(len(value.shape)) if d not in dims]
        return self.broadcast(self.op('reduce', value, kind=kind, dims=list(dims)), value.shape, kept)

    def mean(self, value, dims):
        kept = [d for d in range(len(value.shape)) if d not in dims]
        total = self.op('reduce', value, kind='sum', dims=list(dims))
        return self.broadcast(total * (1.0 / prod(value.shape[d] for d in dims)), value.shape, kept)

    def einsum(self, spec, a, b):
        """Two operands, as numpy writes it."""
        ins, out = spec.split('->')
        x, y = ins.split(',')
        batch = [c for c in x if c in y and c in out]
        contract = [c for c in x if c in y and c not in out]
        r = self.op('dot_general', a, b, lhs_contract=[x.index(c) for c in contract],
                    rhs_contract=[y.index(c) for c in contract], lhs_batch=[x.index(c) for c in batch],
                    rhs_batch=[y.index(c) for c in batch])
        order = batch + [c for c in x if c not in y] + [c for c in y if c not in x]
        if ''.join(order) == out:
            return r
        return self.op('transpose', r, perm=[order.index(c) for c in out])

    def softmax(self, z):
        last = [len(z.shape) - 1]
        e = self.op('exp', z - self.reduce(z, 'max', last))
        return e / self.reduce(e, 'sum', last)

    def relu(self, x):
        return self.binary('max', x, 0.0)

    def gelu(self, x):
        """The tanh form."""
        inner = (x + x * x * x * 0.044715) * 0.7978845608028654
        return x * 0.5 * (self.op('tanh', inner) + 1.0)
