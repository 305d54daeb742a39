"""More cases: element types, operations and meshes that case_defs.py has few of."""
import case_defs
from minigraph import Case

M3, M4, XY22, XY23, XY24 = [('m', 3)], [('m', 4)], [('x', 2), ('y', 2)], [('x', 2), ('y', 3)], [('x', 2), ('y', 4)]
M12, XYZ = [('m', 12)], [('x', 2), ('y', 2), ('z', 3)]


def all_cases():
    out = []
    for f in (numbers, integers, truths, dots, pictures, windows, movements, meshes, structures):
        out += list(f())
    out += other_sizes()
    return out


def other_sizes():
    """The cases of case_defs.py on other meshes."""
    saved = {k: getattr(case_defs, k) for k in ('M2', 'M4', 'M8', 'XY24', 'XY22', 'XY42')}
    case_defs.M2, case_defs.M4, case_defs.M8 = [('m', 4)], [('m', 2)], [('m', 4)]
    case_defs.XY24, case_defs.XY22, case_defs.XY42 = [('x', 4), ('y', 2)], [('x', 1), ('y', 4)], [('x', 2), ('y', 4)]
    try:
        cases = case_defs.all_cases()
    finally:
        for k, v in saved.items():
            setattr(case_defs, k, v)
    for c in cases:
        c['name'] += '_other_mesh'
    return cases


def numbers():
    for op in ('log', 'sqrt', 'rsqrt', 'abs', 'logistic'):
        c = Case(f'unary_{op}', 'numbers', M4)
        yield c.done(c.op('reduce', c.op(op, c.input('x', (8, 12), ('m', None))), kind='max', dims=[0]))
    c = Case('min_of_two_reduced', 'numbers', M4)
    yield c.done(c.op('reduce', c.op('min', c.input('a', (8, 16), (None, 'm')), c.input('b', (8, 16))), kind='min', dims=[1]))
    for kind in ('sum', 'max', 'min'):
        c = Case(f'reduce_all_{kind}', 'numbers', XY24, 'to a scalar over both axes')
        yield c.done(c.op('reduce', c.input('x', (8, 16), ('x', 'y')), kind=kind, dims=[0, 1]))
    c = Case('reduce_bf16', 'numbers', M4)
    yield c.done(c.op('reduce', c.input('x', (8, 16), (None, 'm'), 'bf16'), kind='max', dims=[1]))
    c = Case('dot_bf16', 'numbers', M4)
    yield c.done(c.matmul(c.input('a', (8, 16), (None, None), 'bf16'), c.input('b', (16, 8), (None, 'm'), 'bf16')))
    c = Case('cast_bf16_before_dot', 'numbers', M4)
    a = c.op('convert', c.input('a', (8, 16), ('m', None)), dtype='bf16')
    yield c.done(c.op('convert', c.matmul(a, c.input('b', (16, 8), None, 'bf16')), dtype='f32'))


def integers():
    c = Case('integer_arithmetic', 'integers', M4)
    a, b = c.input('a', (8, 16), ('m', None), 's32'), c.input('b', (8, 16), None, 's32')
    one = c.scalar(1, b)
    yield c.done(c.op('div', c.op('sub', c.op('mul', a, b), c.op('max', a, c.op('neg', b))), c.op('add', c.op('abs', b), one)))
    c = Case('integer_sum', 'integers', M4)
    yield c.done(c.op('reduce', c.input('a', (8, 16), (None, 'm'), 's32'), kind='sum', dims=[1]))
    c = Case('integer_sort', 'integers', M4)
    yield c.done(c.op('sort', c.input('a', (8, 16), ('m', None), 's32'), dim=1))
    c = Case('integer_to_real', 'integers', M4)
    yield c.done(c.op('convert', c.op('tanh', c.op('convert', c.input('a', (8, 16), ('m', None), 's32'), dtype='f32')), dtype='s32'))
    c = Case('argmax_first_dim', 'integers', M4)
    yield c.done(c.op('argmax', c.input('z', (16, 8), ('m', None)), axis=0))
    c = Case('ids_from_argmax', 'integers', M4, 'what is chosen is looked up')
    i = c.op('argmax', c.input('z', (8, 16), (None, 'm')), axis=1)
    yield c.done(c.op('gather_rows', c.input('table', (16, 4), ('m', None)), i))


def truths():
    c = Case('mask_given', 'truths', M4)
    m = c.input('m', (8, 16), None, 'pred')
    x = c.input('x', (8, 16), (None, 'm'))
    yield c.done(c.op('select', m, x, c.op('neg', x)))
    c = Case('mask_computed_then_counted', 'truths', M4)
    x = c.input('x', (8, 16), (None, 'm'))
    m = c.op('convert', c.op('compare', x, c.scalar(0.0, x), dir='gt'), dtype='f32')
    yield c.done(c.op('reduce', m, kind='sum', dims=[1]))
    c = Case('truth_of_number', 'truths', M4)
    x = c.input('x', (8, 16), ('m', None))
    yield c.done(c.op('convert', x, dtype='pred'), c.op('compare', x, x, dir='le'))


def dots():
    c = Case('dot_two_contracted', 'dots', XY24)
    yield c.done(c.op('dot_general', c.input('a', (4, 8, 16), (None, 'x', 'y')), c.input('b', (8, 16, 4), ('x', 'y', None)),
                      lhs_contract=[1, 2], rhs_contract=[0, 1]))
    c = Case('dot_two_batches', 'dots', XY24)
    yield c.done(c.op('dot_general', c.input('a', (4, 8, 6, 5), ('x', 'y', None, None)), c.input('b', (8, 5, 4, 3)),
                      lhs_contract=[3], rhs_contract=[1], lhs_batch=[0, 1], rhs_batch=[2, 0]))
    c = Case('dot_of_vectors', 'dots', M4)
    yield c.done(c.op('dot_general', c.input('a', (16,), ('m',)), c.input('b', (16,), ('m',)), lhs_contract=[0], rhs_contract=[0]))
    c = Case('dot_first_dims', 'dots', M4)
    yield c.done(c.op('dot_general', c.input('a', (16, 8), ('m', None)), c.input('b', (16, 12), ('m', None)), lhs_contract=[0], rhs_contract=[0]))
    c = Case('dot_three_devices', 'dots', M3)
    yield c.done(c.matmul(c.input('a', (6, 9), (None, 'm')), c.input('b', (9, 12), ('m', None))))


def pictures():
    none = (None,) * 4
    c = Case('conv_groups', 'pictures', M4)
    yield c.done(c.op('conv', c.input('x', (1, 8, 8, 8), (None, 'm', None, None)), c.input('w', (3, 3, 2, 8), none),
                      strides=[1, 1], padding=[[1, 1], [1, 1]], groups=4))
    c = Case('conv_depthwise_channels', 'pictures', M4)
    yield c.done(c.op('conv', c.input('x', (1, 8, 8, 8), (None, None, None, 'm')), c.input('w', (3, 3, 1, 8)),
                      strides=[1, 1], padding=[[1, 1], [1, 1]], groups=8))
    c = Case('conv_no_padding', 'pictures', M4)
    yield c.done(c.op('conv', c.input('x', (1, 18, 8, 4), none), c.input('w', (3, 3, 4, 8), (None, None, None, 'm')),
                      strides=[1, 1], padding=[[0, 0], [0, 0]]))
    c = Case('conv_stride_1_2', 'pictures', XY22)
    yield c.done(c.op('conv', c.input('x', (2, 8, 16, 4), ('x', 'y', None, None)), c.input('w', (3, 3, 4, 8), none),
                      strides=[1, 2], padding=[[1, 1], [0, 1]]))
    c = Case('max_pool_batch', 'pictures', M4)
    yield c.done(c.op('max_pool', c.input('x', (4, 8, 8, 2), ('m', None, None, None)), window=[3, 2], strides=[2, 2],
                      padding=[[1, 0], [0, 0]]))


def windows():
    c = Case('slice_strided', 'windows', M4)
    yield c.done(c.op('slice', c.input('x', (16, 8), ('m', None)), start=[0, 0], limit=[16, 8], strides=[2, 1]))
    c = Case('slice_inside_one_shard', 'windows', M4)
    yield c.done(c.op('slice', c.input('x', (16, 8), ('m', None)), start=[5, 0], limit=[7, 8]))
    c = Case('pad_both_sides', 'windows', M4)
    yield c.done(c.op('pad', c.input('x', (16, 8), (None, 'm')), low=[1, 0], high=[2, 0]))
    c = Case('dynamic_slice_two_dims', 'windows', M4)
    yield c.done(c.op('dynamic_slice', c.input('x', (8, 16, 8), (None, None, 'm')), c.input('i', (), (), 's32'),
                      c.input('j', (), (), 's32'), c.op('const', value=0, dtype='s32'), sizes=[2, 4, 8]))
    c = Case('dynamic_update_two_caches', 'windows', M4)
    t, z = c.input('t', (), (), 's32'), c.op('const', value=0, dtype='s32')
    k, v = (c.input(n, (2, 8, 8), (None, None, 'm')) for n in 'kv')
    u = c.op('tanh', c.input('u', (2, 1, 8), (None, None, 'm')))
    yield c.done(c.op('dynamic_update_slice', k, u, z, t, z), c.op('dynamic_update_slice', v, u, z, t, z))


def movements():
    c = Case('reshape_three_to_two', 'movements', XY24)
    yield c.done(c.op('reshape', c.input('x', (4, 6, 8), ('x', None, 'y')), shape=[24, 8]))
    c = Case('reshape_with_ones', 'movements', M4)
    yield c.done(c.op('reshape', c.input('x', (8, 6), ('m', None)), shape=[1, 8, 1, 6]))
    c = Case('transpose_four', 'movements', XY24)
    yield c.done(c.op('transpose', c.input('x', (4, 8, 2, 6), ('y', 'x', None, None)), perm=[3, 1, 0, 2]))
    c = Case('reverse_other_dim', 'movements', M4)
    yield c.done(c.op('reverse', c.input('x', (8, 12), ('m', None)), dims=[1]))
    c = Case('broadcast_of_ones', 'movements', M4)
    yield c.done(c.keep(c.op('broadcast_in_dim', c.input('x', (8, 1), (None, None)), shape=[4, 8, 16], dims=[1, 2]), (None, None, 'm')))
    c = Case('concatenate_three', 'movements', M4)
    yield c.done(c.op('concatenate', *(c.input(n, (8, k), ('m', None)) for n, k in (('a', 4), ('b', 3), ('c', 9))), dim=1))
    c = Case('iota_constrained', 'movements', M4)
    yield c.done(c.keep(c.op('iota', dtype='f32', shape=[8, 16], dim=0), ('m', None)))


def meshes():
    c = Case('twelve_devices', 'meshes', M12)
    yield c.done(c.matmul(c.op('tanh', c.matmul(c.input('x', (4, 12), (None, None)), c.input('w1', (12, 24), (None, 'm')))),
                          c.input('w2', (24, 8), ('m', None))))
    c = Case('two_by_three', 'meshes', XY23)
    yield c.done(c.matmul(c.input('a', (6, 9), ('x', 'y')), c.input('b', (9, 12), ('y', None))))
    c = Case('three_axes_batch_heads_rest', 'meshes', XYZ)
    q, k = c.input('q', (4, 6, 4, 8), ('x', 'z', 'y', None)), c.input('k', (4, 6, 4, 8), ('x', None, 'y', None))
    z = c.op('dot_general', q, k, lhs_contract=[3], rhs_contract=[3], lhs_batch=[0, 2], rhs_batch=[0, 2])
    yield c.done(c.softmax(z, 3))


def structures():
    c = Case('many_outputs', 'structures', M4)
    x = c.input('x', (8, 16), ('m', None))
    y = c.op('exp', x)
    yield c.done(x, y, c.op('reduce', y, kind='sum', dims=[0]), c.op('reduce', y, kind='sum', dims=[1]), y)
    c = Case('scalar_input', 'structures', M4)
    x, s = c.input('x', (8, 16), (None, 'm')), c.input('s', (), ())
    yield c.done(c.op('mul', x, c.like(s, x, [])))
    c = Case('constraint_twice', 'structures', XY22)
    x = c.keep(c.op('exp', c.input('x', (8, 8), (None, None))), ('x', None))
    yield c.done(c.op('tanh', c.keep(c.op('neg', x), (None, ('x', 'y')))))
