// SPDX-License-Identifier: GPL-2.0-only
//! `math`.

use super::table::done_or_call;
use super::{local, random};
use crate::memory::OutOfMemory;
use crate::number::{arith, trig};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, Library, NativeDef, Step};

/// The functions of `math`.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("abs", abs),
    NativeDef::new("acos", acos),
    NativeDef::new("asin", asin),
    NativeDef::new("atan", atan),
    NativeDef::new("ceil", ceil),
    NativeDef::new("cos", cos),
    NativeDef::new("deg", deg),
    NativeDef::new("exp", exp),
    NativeDef::new("floor", floor),
    NativeDef::new("fmod", fmod),
    NativeDef::new("log", log),
    NativeDef::new("max", max),
    NativeDef::new("min", min),
    NativeDef::new("modf", modf),
    NativeDef::new("rad", rad),
    NativeDef::new("random", random),
    NativeDef::new("randomseed", randomseed),
    NativeDef::new("sin", sin),
    NativeDef::new("sqrt", sqrt),
    NativeDef::new("tan", tan),
    NativeDef::new("tointeger", tointeger),
    NativeDef::new("type", type_),
    NativeDef::new("ult", ult),
];

/// `math`.
pub const LIBRARY: Library = Library {
    name: "math",
    natives: NATIVES,
    open: Some(open),
};

/// Fuel of a function that takes some thousand instructions in soft float.
const TRANSCENDENTAL: u64 = 60;

fn open(vm: &mut Vm, table: Ref) -> Result<(), OutOfMemory> {
    for (name, value) in [
        ("pi", Value::float(core::f64::consts::PI)),
        ("huge", Value::float(f64::INFINITY)),
        ("maxinteger", Value::int(i64::MAX)),
        ("mininteger", Value::int(i64::MIN)),
    ] {
        let key = vm.shared_string(name.as_bytes())?;
        vm.heap.set(table, key, value)?;
    }
    vm.library.numbers = [vm.shared_string(b"integer")?, vm.shared_string(b"float")?];
    Ok(())
}

fn give(vm: &mut Vm, v: Value) -> Result<Step, Raise> {
    vm.push(v)?;
    Ok(Step::Return(1))
}

/// A function of one float.
fn apply(vm: &mut Vm, f: &Args, fuel: u64, function: fn(f64) -> f64) -> Result<Step, Raise> {
    let x = vm.check_float(f, 0)?;
    vm.charge(fuel)?;
    give(vm, Value::float(function(x)))
}

fn sin(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, TRANSCENDENTAL, trig::sin)
}
fn cos(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, TRANSCENDENTAL, trig::cos)
}
fn tan(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, TRANSCENDENTAL, trig::tan)
}
fn asin(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, TRANSCENDENTAL, libm::asin)
}
fn acos(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, TRANSCENDENTAL, libm::acos)
}
fn exp(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, TRANSCENDENTAL, libm::exp)
}
fn sqrt(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, 20, arith::sqrt)
}
fn deg(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, 4, |x| x * (180.0 / core::f64::consts::PI))
}
fn rad(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    apply(vm, &f, 4, |x| x * (core::f64::consts::PI / 180.0))
}

fn atan(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let y = vm.check_float(&f, 0)?;
    let x = if vm.arg(&f, 1).is_nil() {
        1.0
    } else {
        vm.check_float(&f, 1)?
    };
    vm.charge(TRANSCENDENTAL)?;
    give(vm, Value::float(libm::atan2(y, x)))
}

fn log(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let x = vm.check_float(&f, 0)?;
    vm.charge(TRANSCENDENTAL)?;
    let result = if vm.arg(&f, 1).is_nil() {
        libm::log(x)
    } else {
        let base = vm.check_float(&f, 1)?;
        if base == 2.0 {
            libm::log2(x)
        } else if base == 10.0 {
            libm::log10(x)
        } else {
            vm.charge(TRANSCENDENTAL)?;
            arith::div(libm::log(x), libm::log(base))
        }
    };
    give(vm, Value::float(result))
}

fn abs(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    // A numeral counts as a float here, as in PUC.
    let v = vm.arg(&f, 0);
    if v.tag == Tag::Int {
        return give(vm, Value::int(v.as_int().wrapping_abs()));
    }
    let x = vm.check_float(&f, 0)?;
    give(vm, Value::float(x.abs()))
}

/// A rounded float: an integer if it fits.
fn rounded(x: f64) -> Value {
    arith::to_int(x).map_or(Value::float(x), Value::int)
}

/// The argument as an integer: itself if it is one, or rounded that way.
#[inline(always)]
fn round(vm: &mut Vm, f: &Args, way: fn(f64) -> f64) -> Result<Step, Raise> {
    let v = vm.arg(f, 0);
    if v.tag == Tag::Int {
        return give(vm, v);
    }
    let x = if v.tag == Tag::Float {
        v.as_float()
    } else {
        vm.check_float(f, 0)?
    };
    give(vm, rounded(way(x)))
}

fn floor(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    round(vm, &f, arith::floor)
}

fn ceil(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    round(vm, &f, arith::ceil)
}

fn fmod(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (a, b) = (vm.arg(&f, 0), vm.arg(&f, 1));
    if a.tag == Tag::Int && b.tag == Tag::Int {
        if b.as_int() == 0 {
            return Err(vm.arg_error(&f, 1, format_args!("zero")));
        }
        return give(
            vm,
            Value::int(a.as_int().checked_rem(b.as_int()).unwrap_or(0)),
        );
    }
    vm.charge(20)?;
    let b = vm.check_float(&f, 1)?;
    let a = vm.check_float(&f, 0)?;
    give(vm, Value::float(arith::fmod(a, b)))
}

fn modf(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.arg(&f, 0);
    if v.tag == Tag::Int {
        vm.push(v)?;
        vm.push(Value::float(0.0))?;
        return Ok(Step::Return(2));
    }
    let x = vm.check_float(&f, 0)?;
    let whole = if x < 0.0 {
        arith::ceil(x)
    } else {
        arith::floor(x)
    };
    let fraction = if whole == x { 0.0 } else { x - whole };
    vm.push(rounded(whole))?;
    vm.push(Value::float(fraction))?;
    Ok(Step::Return(2))
}

/// The argument that all others are on the same side of, by `<`, which may be a metamethod. The local
/// is the number of the best one so far; the state is the number of the one that is compared.
fn extreme(vm: &mut Vm, f: &Args, greatest: bool) -> Result<Step, Raise> {
    if f.count == 0 {
        return Err(vm.arg_error(f, 0, format_args!("value expected")));
    }
    let mut best = 0;
    let mut i = 1;
    if f.state == 0 {
        // Integers need no more than this.
        let mut v = vm.arg(f, 0);
        while v.tag == Tag::Int && i < f.count {
            let other = vm.arg(f, i);
            if other.tag != Tag::Int {
                break;
            }
            if if greatest {
                v.as_int() < other.as_int()
            } else {
                other.as_int() < v.as_int()
            } {
                (v, best) = (other, i);
            }
            i = i.wrapping_add(1);
        }
        if i == f.count {
            return give(vm, v);
        }
    }
    if f.state > 0 {
        let better = vm.result(f, 0).is_true();
        vm.set_top(local(f, 1))?;
        best = if better {
            f.state
        } else {
            vm.get(local(f, 0)).as_int() as u32
        };
        i = f.state.wrapping_add(1);
    } else {
        vm.push(Value::int(0))?;
    }
    while i < f.count {
        let (a, b) = (vm.arg(f, best), vm.arg(f, i));
        let (less, than) = if greatest { (a, b) } else { (b, a) };
        vm.set(local(f, 0), Value::int(i64::from(best)));
        if done_or_call!(vm.less(less, than)?, 1, i) {
            best = i;
        }
        i = i.wrapping_add(1);
    }
    let v = vm.arg(f, best);
    give(vm, v)
}

fn max(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    extreme(vm, &f, true)
}

fn min(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    extreme(vm, &f, false)
}

fn tointeger(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.check_any(&f, 0)?;
    let result = vm.to_int(v).map_or(Value::NIL, Value::int);
    give(vm, result)
}

fn type_(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let [integer, float] = vm.library.numbers;
    let name = match vm.check_any(&f, 0)?.tag {
        Tag::Int => integer,
        Tag::Float => float,
        _ => Value::NIL,
    };
    give(vm, name)
}

fn ult(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (a, b) = (vm.check_int(&f, 0)?, vm.check_int(&f, 1)?);
    give(vm, Value::boolean((a as u64) < (b as u64)))
}

fn random(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let bits = random::next(&mut vm.random);
    let (low, up) = match f.count {
        0 => return give(vm, Value::float(random::unit(bits))),
        1 => {
            let up = vm.check_int(&f, 0)?;
            if up == 0 {
                return give(vm, Value::int(bits as i64));
            }
            (1, up)
        }
        2 => (vm.check_int(&f, 0)?, vm.check_int(&f, 1)?),
        _ => return Err(vm.error(format_args!("wrong number of arguments"))),
    };
    if low > up {
        return Err(vm.arg_error(&f, 0, format_args!("interval is empty")));
    }
    let above = random::up_to(&mut vm.random, bits, up.wrapping_sub(low) as u64);
    give(vm, Value::int(low.wrapping_add(above as i64)))
}

fn randomseed(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (a, b) = if f.count == 0 {
        (
            random::next(&mut vm.random) as i64,
            random::next(&mut vm.random) as i64,
        )
    } else {
        (vm.check_int(&f, 0)?, vm.opt_int(&f, 1, 0)?)
    };
    vm.random = random::seeded(a as u64, b as u64);
    vm.push(Value::int(a))?;
    vm.push(Value::int(b))?;
    Ok(Step::Return(2))
}
