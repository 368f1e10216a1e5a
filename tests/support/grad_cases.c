/* grad_cases.c: graphs that tests of differentiation share: every rule, at odd shapes. */
#include "tests/support/grad_cases.h"

const GradCase grad_cases[] = {
    {"add", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = add(%x, %z) }", -2, 2, {0}},
    {"sub", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = sub(%x, %z) }", -2, 2, {0}},
    {"mul", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = mul(%x, %z) }", -2, 2, {0}},
    {"div", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = div(%x, %z) }", 0.5, 2, {0}},
    {"mod", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = mod(%x, %z) }", 0.5, 2, {0}},
    {"rem", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = rem(%x, %z) }", 0.5, 2, {0}},
    {"pow", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = pow(%x, %z) }", 0.5, 2, {0}},
    {"min", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = min(%x, %z) }", -2, 2, {0}},
    {"max", "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %y = max(%x, %z) }", -2, 2, {0}},
    {"neg", "graph @t(%x: f64[3,5]) -> (%y) { %y = neg(%x) }", -2, 2, {0}},
    {"abs", "graph @t(%x: f64[3,5]) -> (%y) { %y = abs(%x) }", 0.1, 2, {0}},
    {"abs of negatives", "graph @t(%x: f64[7]) -> (%y) { %y = abs(%x) }", -2, -0.1, {0}},
    {"sign", "graph @t(%x: f64[3,5]) -> (%y) { %y = sign(%x) }", 0.1, 2, {0}},
    {"floor", "graph @t(%x: f64[3,5]) -> (%y) { %y = floor(%x) }", 0.1, 0.9, {0}},
    {"ceil", "graph @t(%x: f64[3,5]) -> (%y) { %y = ceil(%x) }", 0.1, 0.9, {0}},
    {"round", "graph @t(%x: f64[3,5]) -> (%y) { %y = round(%x) }", 0.1, 0.4, {0}},
    {"trunc", "graph @t(%x: f64[3,5]) -> (%y) { %y = trunc(%x) }", 0.1, 0.9, {0}},
    {"exp", "graph @t(%x: f64[3,5]) -> (%y) { %y = exp(%x) }", -2, 2, {0}},
    {"log", "graph @t(%x: f64[3,5]) -> (%y) { %y = log(%x) }", 0.3, 3, {0}},
    {"log1p", "graph @t(%x: f64[3,5]) -> (%y) { %y = log1p(%x) }", -0.5, 3, {0}},
    {"sqrt", "graph @t(%x: f64[3,5]) -> (%y) { %y = sqrt(%x) }", 0.3, 3, {0}},
    {"rsqrt", "graph @t(%x: f64[3,5]) -> (%y) { %y = rsqrt(%x) }", 0.3, 3, {0}},
    {"recip", "graph @t(%x: f64[3,5]) -> (%y) { %y = recip(%x) }", 0.3, 3, {0}},
    {"sin", "graph @t(%x: f64[3,5]) -> (%y) { %y = sin(%x) }", -2, 2, {0}},
    {"cos", "graph @t(%x: f64[3,5]) -> (%y) { %y = cos(%x) }", -2, 2, {0}},
    {"tanh", "graph @t(%x: f64[3,5]) -> (%y) { %y = tanh(%x) }", -2, 2, {0}},
    {"erf", "graph @t(%x: f64[3,5]) -> (%y) { %y = erf(%x) }", -2, 2, {0}},
    {"sigmoid", "graph @t(%x: f64[3,5]) -> (%y) { %y = sigmoid(%x) }", -3, 3, {0}},
    {"select",
     "graph @t(%x: f64[3,5], %z: f64[3,5]) -> (%y) { %c = lt(%x, %z) %y = select(%c, %x, "
     "%z) }",
     -2,
     2,
     {0}},
    {"cast",
     "graph @t(%x: f64[5]) -> (%y) { %a = cast(%x) {to=f64} %y = mul(%a, %a) }",
     -2,
     2,
     {0}},
    {"max with a constant",
     "graph @t(%x: f64[9]) -> (%y) { %z = const() {to=f64, dims=[]} = 0 %w = expand(%z) "
     "{dims=[9], axes=[]} %y = max(%x, %w) }",
     -2,
     2,
     {0}},
    {"reshape",
     "graph @t(%x: f64[3,4]) -> (%y) { %r = reshape(%x) {dims=[2,6]} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"transpose",
     "graph @t(%x: f64[2,3,4]) -> (%y) { %r = transpose(%x) {perm=[2,0,1]} %y = mul(%r, "
     "%r) }",
     -2,
     2,
     {0}},
    {"expand new and repeated dims",
     "graph @t(%x: f64[3,1,2]) -> (%y) { %r = expand(%x) {dims=[4,3,5,2], axes=[1,2,3]} %y"
     " = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"expand to nothing",
     "graph @t(%x: f64[1,2]) -> (%y) { %r = expand(%x) {dims=[0,2], axes=[0,1]} %y = "
     "mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"slice",
     "graph @t(%x: f64[9,7]) -> (%y) { %r = slice(%x) {starts=[1,0], steps=[3,2], "
     "dims=[2,4]} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"slice backwards",
     "graph @t(%x: f64[9,7]) -> (%y) { %r = slice(%x) {starts=[7,6], steps=[-3,-1], "
     "dims=[3,5]} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"slice of nothing",
     "graph @t(%x: f64[9,7]) -> (%y) { %r = slice(%x) {starts=[1,0], steps=[3,-2], "
     "dims=[0,0]} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"copy", "graph @t(%x: f64[4]) -> (%y) { %r = copy(%x) %y = mul(%r, %r) }", -2, 2, {0}},
    {"pad",
     "graph @t(%x: f64[3,2], %v: f64[]) -> (%y) { %r = pad(%x, %v) {lo=[1,0], hi=[2,3], "
     "interior=[2,0]} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"concat",
     "graph @t(%a: f64[2,3], %b: f64[2,1], %c: f64[2,0]) -> (%y) { %r = concat(%a, %b, %c,"
     " %a) {axis=1} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"gather",
     "graph @t(%x: f64[5,3], %i: i64[2,4]) -> (%y) { %r = gather(%x, %i) {axis=0} %y = "
     "mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"gather in batches",
     "graph @t(%x: f64[2,3,5], %i: i64[2,4]) -> (%y) { %r = gather(%x, %i) {axis=2, "
     "batch=1} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"reduce_sum",
     "graph @t(%x: f64[3,4,5]) -> (%y) { %q = mul(%x, %x) %y = reduce_sum(%q) {axes=[0,2]}"
     " }",
     -2,
     2,
     {0}},
    {"reduce_prod",
     "graph @t(%x: f64[3,4]) -> (%y) { %y = reduce_prod(%x) {axes=[1]} }",
     0.5,
     2,
     {0}},
    {"reduce_max", "graph @t(%x: f64[3,4]) -> (%y) { %y = reduce_max(%x) {axes=[0]} }", -2, 2, {0}},
    {"reduce_min", "graph @t(%x: f64[3,4]) -> (%y) { %y = reduce_min(%x) {axes=[1]} }", -2, 2, {0}},
    {"reduce of one",
     "graph @t(%x: f64[1,4]) -> (%y) { %y = reduce_max(%x) {axes=[0]} }",
     -2,
     2,
     {0}},
    {"pool_sum",
     "graph @t(%x: f64[1,2,7,6]) -> (%y) { %r = pool_sum(%x) {window=[1,1,3,2], "
     "strides=[1,1,2,2], pads_lo=[0,0,1,0], pads_hi=[0,0,0,1], dilations=[1,1,1,2]} %y = "
     "mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"pool_sum that leaves a rest",
     "graph @t(%x: f64[1,2,8,7]) -> (%y) { %r = pool_sum(%x) {window=[1,1,2,2], "
     "strides=[1,1,3,2], pads_lo=[0,0,0,0], pads_hi=[0,0,0,0], dilations=[1,1,1,1]} %y = "
     "mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"pool_sum with wide padding",
     "graph @t(%x: f64[1,1,4,3]) -> (%y) { %r = pool_sum(%x) {window=[1,1,1,2], "
     "strides=[1,1,1,1], pads_lo=[0,0,2,3], pads_hi=[0,0,1,2], dilations=[1,1,1,1]} %y = "
     "mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"contract",
     "graph @t(%a: f64[3,4], %b: f64[4,5]) -> (%y) { %y = contract(%a, %b) "
     "{lhs_contract=[1], rhs_contract=[0]} }",
     -2,
     2,
     {0}},
    {"contract, turned",
     "graph @t(%a: f64[4,3], %b: f64[5,4]) -> (%y) { %y = contract(%a, %b) "
     "{lhs_contract=[0], rhs_contract=[1]} }",
     -2,
     2,
     {0}},
    {"contract in batches over two dims",
     "graph @t(%a: f64[2,3,4,5], %b: f64[2,5,6,3]) -> (%y) { %y = contract(%a, %b) "
     "{batch=1, lhs_contract=[1,3], rhs_contract=[3,1]} }",
     -2,
     2,
     {0}},
    {"contract of everything",
     "graph @t(%a: f64[3,2], %b: f64[2,3]) -> (%y) { %y = contract(%a, %b) "
     "{lhs_contract=[0,1], rhs_contract=[1,0]} }",
     -2,
     2,
     {0}},
    {"contract of nothing",
     "graph @t(%a: f64[3], %b: f64[2]) -> (%y) { %y = contract(%a, %b) {lhs_contract=[], "
     "rhs_contract=[]} }",
     -2,
     2,
     {0}},
    {"contract over size 0",
     "graph @t(%a: f64[3,0], %b: f64[0,2]) -> (%y) { %y = contract(%a, %b) "
     "{lhs_contract=[1], rhs_contract=[0]} }",
     -2,
     2,
     {0}},
    {"conv",
     "graph @t(%x: f64[2,3,5,4], %w: f64[2,3,3,2]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[1,1], pads_lo=[0,0], pads_hi=[0,0], dilations=[1,1], in_dilations=[1,1]} }",
     -2,
     2,
     {0}},
    {"conv, same padding",
     "graph @t(%x: f64[1,2,5,5], %w: f64[3,2,3,3]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[1,1], pads_lo=[1,1], pads_hi=[1,1], dilations=[1,1], in_dilations=[1,1]} }",
     -2,
     2,
     {0}},
    {"conv, strides that leave a rest",
     "graph @t(%x: f64[2,2,8,7], %w: f64[3,2,3,2]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[3,2], pads_lo=[1,0], pads_hi=[0,2], dilations=[1,1], in_dilations=[1,1]} }",
     -2,
     2,
     {0}},
    {"conv, dilated",
     "graph @t(%x: f64[1,2,9,8], %w: f64[2,2,3,2]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[2,1], pads_lo=[2,1], pads_hi=[1,0], dilations=[2,3], in_dilations=[1,1]} }",
     -2,
     2,
     {0}},
    {"conv, spread input",
     "graph @t(%x: f64[1,2,4,3], %w: f64[3,2,3,3]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[1,2], pads_lo=[2,1], pads_hi=[1,2], dilations=[1,1], in_dilations=[2,3]} }",
     -2,
     2,
     {0}},
    {"conv, cut input",
     "graph @t(%x: f64[1,2,7,8], %w: f64[2,2,2,3]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[1,1], pads_lo=[-1,-2], pads_hi=[-2,0], dilations=[1,1], "
     "in_dilations=[1,1]} }",
     -2,
     2,
     {0}},
    {"conv, groups",
     "graph @t(%x: f64[2,4,5,4], %w: f64[6,2,2,3]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[2,1], pads_lo=[1,1], pads_hi=[0,1], dilations=[1,1], in_dilations=[1,1], "
     "groups=2} }",
     -2,
     2,
     {0}},
    {"conv, depthwise",
     "graph @t(%x: f64[2,3,5], %w: f64[3,1,3]) -> (%y) { %y = conv(%x, %w) {strides=[1], "
     "pads_lo=[1], pads_hi=[1], dilations=[1], in_dilations=[1], groups=3} }",
     -2,
     2,
     {0}},
    {"conv, one tap",
     "graph @t(%x: f64[2,3,4,4], %w: f64[5,3,1,1]) -> (%y) { %y = conv(%x, %w) "
     "{strides=[2,2], pads_lo=[0,0], pads_hi=[0,0], dilations=[1,1], in_dilations=[1,1]} }",
     -2,
     2,
     {0}},
    {"pool_max",
     "graph @t(%x: f64[1,2,7,6]) -> (%y) { %y = pool_max(%x) {window=[1,1,3,2], "
     "strides=[1,1,2,2], pads_lo=[0,0,1,0], pads_hi=[0,0,0,1], dilations=[1,1,1,1]} }",
     -2,
     2,
     {0}},
    {"unpool_max",
     "graph @t(%x: f64[1,2,4,4], %u: f64[1,2,2,2]) -> (%y) { %i = pool_argmax(%x) "
     "{window=[1,1,2,2], strides=[1,1,2,2], pads_lo=[0,0,0,0], pads_hi=[0,0,0,0], "
     "dilations=[1,1,1,1]} %r = unpool_max(%u, %i) {dims=[1,2,4,4], window=[1,1,2,2], "
     "strides=[1,1,2,2], pads_lo=[0,0,0,0], pads_hi=[0,0,0,0], dilations=[1,1,1,1]} %y = "
     "mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"cumsum",
     "graph @t(%x: f64[3,4]) -> (%y) { %r = cumsum(%x) {axis=1} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"cumsum, exclusive and in reverse",
     "graph @t(%x: f64[3,4]) -> (%y) { %r = cumsum(%x) {axis=0, exclusive=1, reverse=1} %y"
     " = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"scatter_add",
     "graph @t(%x: f64[5,3], %i: i64[2,4], %u: f64[2,4,3]) -> (%y) { %r = scatter_add(%x, "
     "%i, %u) {axis=0} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"scatter_add in batches",
     "graph @t(%x: f64[2,3,5], %i: i64[2,4], %u: f64[2,3,4]) -> (%y) { %r = "
     "scatter_add(%x, %i, %u) {axis=2, batch=1} %y = mul(%r, %r) }",
     -2,
     2,
     {0}},
    {"loop",
     "graph @t(%x: f64[4,2,3], %h: f64[2,2], %w: f64[3,2], %u: f64[2,2], %b: f64[2]) -> "
     "(%last, %all) { %last, %all = loop(%h, %x, %w, %u, %b) {trips=[4], carried=1, "
     "scanned=1} do graph @step(%t: i64, %h: f64[2,2], %x: f64[2,3], %w: f64[3,2], %u: "
     "f64[2,2], %b: f64[2]) -> (%n, %o) { %a = contract(%x, %w) {lhs_contract=[1], "
     "rhs_contract=[0]} %r = contract(%h, %u) {lhs_contract=[1], rhs_contract=[0]} %s = "
     "add(%a, %r) %bb = expand(%b) {dims=[2,2], axes=[1]} %q = add(%s, %bb) %n = tanh(%q) "
     "%o = mul(%n, %q) } }",
     -1,
     1,
     {0}},
    {"loop backwards",
     "graph @t(%x: f64[5,2], %h: f64[2], %k: f64[2]) -> (%last, %all) { %last, %all = "
     "loop(%h, %x, %k) {trips=[5], carried=1, scanned=1, reverse=1} do graph @step(%t: "
     "i64, %h: f64[2], %x: f64[2], %k: f64[2]) -> (%n, %h) { %a = mul(%h, %x) %c = mul(%a,"
     " %k) %n = sin(%c) } }",
     -1,
     1,
     {0}},
    {"loop that never runs",
     "graph @t(%x: f64[0,2], %h: f64[2]) -> (%last) { %h2 = mul(%h, %h) %last = loop(%h2, "
     "%x) {trips=[0], carried=1, scanned=1} do graph @step(%t: i64, %h: f64[2], %x: "
     "f64[2]) -> (%n) { %n = mul(%h, %x) } }",
     -1,
     1,
     {0}},
    {"loop with two states and the turn",
     "graph @t(%c: f64[2], %h: f64[2]) -> (%last, %other) { %last, %other = loop(%c, %h) "
     "{trips=[3], carried=2} do graph @step(%t: i64, %c: f64[2], %h: f64[2]) -> (%n, %m) {"
     " %tf = cast(%t) {to=f64} %te = expand(%tf) {dims=[2], axes=[]} %a = mul(%c, %te) %n "
     "= add(%a, %h) %m = mul(%c, %h) } }",
     -1,
     1,
     {0}},
    {"contract used twice in a loop",
     "graph @t(%h: f64[2,2], %u: f64[2,2]) -> (%last) { %last = loop(%h, %u) {trips=[3], "
     "carried=1} do graph @step(%t: i64, %h: f64[2,2], %u: f64[2,2]) -> (%n) { %a = "
     "contract(%h, %u) {lhs_contract=[1], rhs_contract=[0]} %n = contract(%a, %u) "
     "{lhs_contract=[1], rhs_contract=[1]} } }",
     -1,
     1,
     {0}},
    {"one value read by many",
     "graph @t(%x: f64[3,3]) -> (%y) { %a = tanh(%x) %b = mul(%a, %a) %c = add(%a, %b) %d "
     "= transpose(%c) {perm=[1,0]} %e = mul(%d, %a) %y = add(%e, %b) }",
     -2,
     2,
     {0}},
};

const size_t grad_n_cases = sizeof grad_cases / sizeof *grad_cases;
