//! Expressions in CEL: compiled once when a catalog is parsed, bounded in size and in what they may say.
//!
//! Every field of the collection is bound, absent = null; sets are lists of their set elements, positions and children
//! of several parts are maps. An evaluation that fails means "does not hold". There are no comprehensions, no regular
//! expressions and no time functions; two own functions look at days: `age(day)` in full years and `days_until(day)`,
//! both as of [`RuleFacts::now_ms`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError};

use super::collection::Collection;
use super::field::{Field, FieldType, Policy};
use super::table::{ChildForm, CodeTable};
use crate::codes::Date;
use crate::{Value, Values};

/// An expression is at most this many bytes.
pub const MAX_EXPRESSION: usize = 500;

/// Operators and calls are nested at most this deep: phones judge records on threads with small stacks.
const MAX_NESTING: usize = 40;
/// The parser's own bound, counted in its steps.
const MAX_PARENTHESES: u16 = 64;

/// Names every expression may use: the day `YYYY-MM-DD` and the moment in milliseconds.
pub(super) const CLOCK_NAMES: [&str; 2] = ["today", "now"];

const FUNCTIONS: [&str; 8] = ["size", "startsWith", "endsWith", "contains", "int", "double", "age", "days_until"];

const OPERATORS: [&str; 17] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::IN,
];

/// What a rule may know beside the record itself.
pub trait RuleFacts {
    /// The moment the record is judged at, milliseconds UTC.
    fn now_ms(&self) -> i64;

    /// A fact about other records by the name the collection declares, [`Value::Null`] when it is not known here.
    fn fact(&self, name: &str) -> Value;
}

/// A moment and nothing else: no fact about other records is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFacts(pub i64);

impl RuleFacts for NoFacts {
    fn now_ms(&self) -> i64 {
        self.0
    }

    fn fact(&self, _: &str) -> Value {
        Value::Null
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
    ast: Arc<IdedExpr>,
    others: BTreeSet<String>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl Expression {
    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it asks for facts about other records; such a rule may only warn.
    pub fn reads_others(&self) -> bool {
        !self.others.is_empty()
    }

    /// Compiles `source`. An error is a stable code and a message with its remedy.
    pub(super) fn compile(source: &str, scope: &Scope) -> Result<Self, (&'static str, String)> {
        if source.len() > MAX_EXPRESSION {
            let message = format!("the expression has {} bytes; shorten it to {MAX_EXPRESSION}", source.len());
            return Err(("expression_too_long", message));
        }
        let ast = PrattParser::new().max_recursion_depth(MAX_PARENTHESES).parse(source).map_err(|errors| {
            let first = errors.errors.first().map_or("not an expression", |error| error.msg.as_str());
            ("expression_syntax", format!("the expression cannot be read: {first}; correct it"))
        })?;
        let mut walk = Walk { scope, others: BTreeSet::new() };
        walk.visit(&ast, 0)?;
        Ok(Self { source: source.to_owned(), ast: Arc::new(ast), others: walk.others })
    }
}

/// What a name in an expression stands for.
#[derive(Debug, Clone)]
enum Name {
    Coded(Arc<CodeTable>),
    Map(Vec<String>),
    Plain,
    Other,
}

/// The names expressions of one collection may use.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    names: BTreeMap<String, Name>,
}

impl Scope {
    pub fn new<'a>(fields: impl IntoIterator<Item = &'a Field>, facts: &[String]) -> Self {
        let mut names: BTreeMap<String, Name> = BTreeMap::new();
        names.extend(CLOCK_NAMES.map(|name| (name.to_owned(), Name::Plain)));
        names.extend(facts.iter().map(|name| (name.clone(), Name::Other)));
        for field in fields {
            let name = match (&field.policy, &field.field_type) {
                (Policy::Computed, _) => Name::Other,
                (_, FieldType::Code { table, .. } | FieldType::Codes { table }) => Name::Coded(Arc::clone(table)),
                (_, FieldType::Geo) => Name::Map(super::form::GEO_PARTS.map(str::to_owned).to_vec()),
                _ => Name::Plain,
            };
            names.insert(field.rule_name(), name);
            if field.may_be_unknown {
                names.insert(format!("{}_unknown", field.rule_name()), Name::Plain);
            }
        }
        Self { names }
    }
}

struct Walk<'a> {
    scope: &'a Scope,
    others: BTreeSet<String>,
}

impl Walk<'_> {
    fn visit(&mut self, node: &IdedExpr, depth: usize) -> Result<(), (&'static str, String)> {
        if depth > MAX_NESTING {
            let message = format!("the expression is nested deeper than {MAX_NESTING}; split it into several rules");
            return Err(("expression_too_deep", message));
        }
        match &node.expr {
            Expr::Literal(LiteralValue::Bytes(_)) => refuse("bytes"),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name).map(|_| ()),
            Expr::List(list) => list.elements.iter().try_for_each(|item| self.visit(item, depth + 1)),
            Expr::Call(call) => self.call(call, depth),
            Expr::Select(select) if !select.test => {
                let Expr::Ident(name) = &select.operand.expr else { return refuse("a part of anything but a field") };
                let Name::Map(parts) = self.name(name)? else {
                    return Err(("expression_name", format!("`{name}` has no parts; use `{name}` itself")));
                };
                if parts.contains(&select.field) {
                    return Ok(());
                }
                let message = format!("`{name}` has no `{}`; its parts are {}", select.field, parts.join(", "));
                Err(("expression_name", message))
            }
            Expr::Select(_) => refuse("has(): an absent field is null"),
            Expr::Comprehension(_) => refuse("comprehensions such as all(), exists(), map() and filter()"),
            Expr::Map(_) | Expr::Struct(_) => refuse("maps and messages"),
            Expr::Unspecified => refuse("an empty expression"),
        }
    }

    fn name(&mut self, name: &str) -> Result<Name, (&'static str, String)> {
        let Some(found) = self.scope.names.get(name) else {
            let message =
                format!("`{name}` is no field or fact here; add it to `facts` or use a field of this collection");
            return Err(("expression_name", message));
        };
        if matches!(found, Name::Other) {
            self.others.insert(name.to_owned());
        }
        Ok(found.clone())
    }

    fn call(&mut self, call: &CallExpr, depth: usize) -> Result<(), (&'static str, String)> {
        let known = OPERATORS.contains(&call.func_name.as_str()) || FUNCTIONS.contains(&call.func_name.as_str());
        if !known {
            let allowed = FUNCTIONS.join(", ");
            let message = format!("`{}` may not be used here; use operators and {allowed}", call.func_name);
            return Err(("expression_function", message));
        }
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            self.visit(part, depth + 1)?;
        }
        if let [left, right] = call.args.as_slice() {
            match call.func_name.as_str() {
                operators::EQUALS | operators::NOT_EQUALS => {
                    self.compared(left, right)?;
                    self.compared(right, left)?;
                }
                operators::IN => {
                    self.compared(right, left)?;
                    if let Expr::List(list) = &right.expr {
                        list.elements.iter().try_for_each(|item| self.compared(left, item))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A code that is compared with a literal must have that literal in its table: a misspelt code never holds.
    fn compared(&mut self, name: &IdedExpr, literal: &IdedExpr) -> Result<(), (&'static str, String)> {
        if let (Expr::Ident(name), Expr::Literal(LiteralValue::String(code))) = (&name.expr, &literal.expr)
            && let Some(Name::Coded(table)) = self.scope.names.get(name)
            && table.item(code.inner()).is_none()
        {
            let message = format!("`{}` is no code of the table `{}`; use one of its codes", code.inner(), table.id);
            return Err(("expression_code", message));
        }
        Ok(())
    }
}

fn refuse<T>(what: &str) -> Result<T, (&'static str, String)> {
    Err(("expression_refused", format!("expressions may not use {what}; write plain comparisons")))
}

/// A record as the variables of expressions.
pub(super) struct Bindings<'a> {
    pub collection: &'a Collection,
    pub values: &'a Values,
    pub now_ms: i64,
}

/// Evaluates the expressions of one record. Facts about other records are asked for when an expression names them.
pub(super) struct Judge<'a> {
    context: Context<'a, 'a>,
    facts: &'a dyn RuleFacts,
    known: BTreeSet<String>,
}

static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

impl<'a> Judge<'a> {
    pub fn new(bindings: &'a Bindings<'a>, facts: &'a dyn RuleFacts) -> Self {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        let today = Date::in_china(bindings.now_ms);
        // A name taken by the standard library would be refused; `age` and `days_until` are not.
        let _ = context.add_function("age", move |text: Arc<String>| {
            day(&text).map(|day| day.age_on(today).map_or(-1, i64::from))
        });
        let _ =
            context.add_function("days_until", move |text: Arc<String>| day(&text).map(|day| today.days_until(day)));
        context.set_variable_resolver(bindings);
        Self { context, facts, known: BTreeSet::new() }
    }

    /// Whether the expression is true; one that cannot be evaluated is not.
    pub fn holds(&mut self, expression: &Expression) -> bool {
        for name in &expression.others {
            if self.known.insert(name.clone()) {
                self.context.add_variable_as_val(name, owned_scalar(self.facts.fact(name)).into_owned());
            }
        }
        matches!(cel::Value::resolve(&expression.ast, &self.context), Ok(cel::Value::Bool(true)))
    }
}

impl Bindings<'_> {
    fn field(&self, name: &str) -> Option<CowVal<'_, '_>> {
        let field = self.collection.field_of_rule_name(name)?;
        let key = field.record_key()?;
        if field.field_type.is_scalar() {
            let value = self.values.get(&key).unwrap_or(&Value::Null);
            return Some(match (&field.field_type, value) {
                (FieldType::Dec { .. }, Value::Str(text)) => match text.parse::<f64>() {
                    Ok(number) => CowVal::owned(CelDouble::from(number)),
                    Err(_) => CowVal::owned(CelNull),
                },
                (FieldType::Geo, Value::Str(text)) => map(text),
                _ => scalar(value),
            });
        }
        let elements = elements(self.values, &key);
        let list: Vec<Box<dyn Val + '_>> = match &field.field_type {
            FieldType::Codes { .. } | FieldType::Refs { .. } => elements
                .filter(|(_, value)| value.as_bool() == Some(true))
                .map(|(element, _)| scalar_text(element).into_owned())
                .collect(),
            FieldType::Media { .. } => elements
                .filter(|(element, _)| {
                    self.values.get(&format!("{key}_off/{element}")).and_then(Value::as_bool) != Some(true)
                })
                .map(|(element, _)| scalar_text(element).into_owned())
                .collect(),
            FieldType::Phones => elements
                .filter_map(|(_, value)| value.as_str())
                .map(|text| scalar_text(text.split('|').next().unwrap_or_default()).into_owned())
                .collect(),
            FieldType::Children { kind } => elements
                .filter(|(_, value)| !value.is_null())
                .map(|(_, value)| match (&kind.form, value) {
                    (ChildForm::Parts(_), Value::Str(text)) => map(text).into_owned(),
                    _ => scalar(value).into_owned(),
                })
                .collect(),
            _ => elements
                .filter(|(_, value)| !value.is_null())
                .map(|(element, _)| scalar_text(element).into_owned())
                .collect(),
        };
        Some(CowVal::owned(CelList::from(list)))
    }
}

impl VariableResolver for Bindings<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match variable {
            "now" => return Some(CowVal::owned(CelInt::from(self.now_ms))),
            "today" => {
                let today = Date::in_china(self.now_ms).to_string();
                return Some(CowVal::owned(CelString::from(today)));
            }
            _ => {}
        }
        if let Some(value) = self.field(variable) {
            return Some(value);
        }
        let field = self.collection.field_of_rule_name(variable.strip_suffix("_unknown")?)?;
        Some(scalar(self.values.get(&format!("{}_unknown", field.key)).unwrap_or(&Value::Null)))
    }
}

/// The elements of a set: what follows `key/`, with its value.
pub(super) fn elements<'a>(values: &'a Values, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let prefix = format!("{key}/");
    values
        .range(prefix.clone()..)
        .map_while(move |(name, value)| name.strip_prefix(prefix.as_str()).map(|element| (element, value)))
}

fn day(text: &str) -> Result<Date, ExecutionError> {
    text.parse().map_err(|_| ExecutionError::function_error("day", "not a day"))
}

fn scalar_text(text: &str) -> CowVal<'_, '_> {
    CowVal::owned(CelString::from(text))
}

fn scalar(value: &Value) -> CowVal<'_, '_> {
    match value {
        Value::Str(text) => scalar_text(text),
        other => owned_scalar(other.clone()),
    }
}

fn owned_scalar<'v>(value: Value) -> CowVal<'v, 'v> {
    match value {
        Value::Null => CowVal::owned(CelNull),
        Value::Bool(flag) => CowVal::owned(CelBool::from(flag)),
        Value::Int(number) => CowVal::owned(CelInt::from(number)),
        Value::Str(text) => CowVal::owned(CelString::from(text)),
    }
}

/// A flat JSON object as a map; anything else is null.
#[expect(clippy::disallowed_types, reason = "the rule engine's maps are built from this type; nothing iterates it")]
fn map<'v>(text: &str) -> CowVal<'v, 'v> {
    let Ok(serde_json::Value::Object(parts)) = serde_json::from_str(text) else { return CowVal::owned(CelNull) };
    let parts = parts.into_iter().filter_map(|(key, part)| {
        let part: Box<dyn Val> = match part {
            serde_json::Value::Bool(flag) => Box::new(CelBool::from(flag)),
            serde_json::Value::Number(number) => Box::new(CelInt::from(number.as_i64()?)),
            serde_json::Value::String(text) => Box::new(CelString::from(text)),
            _ => return None,
        };
        Some((CelMapKey::from(key), part))
    });
    CowVal::owned(CelMap::from(parts.collect::<std::collections::HashMap<_, _>>()))
}
