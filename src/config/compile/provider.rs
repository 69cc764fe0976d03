//! `[rotation.NAME.http]`: the calls to a provider of keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, header};

use super::{Compiled, Compiler};
use crate::config::file::{CallTable, CreateTable, ListTable, ProviderTable, RenewTable, Text};
use crate::config::values::Spanned;
use crate::vault::{
    BodyType, Call, CallTemplate, CallTemplateFault, CreateCall, HttpProvider, ListCall, Placeholder, Vault, Written,
    is_id,
};

/// One call as it is written.
struct Told<'t> {
    method: Option<&'t Text>,
    path: &'t Text,
    body: Option<&'t Text>,
    format: Option<&'t Text>,
    headers: &'t BTreeMap<Spanned<String>, Text>,
}

impl Compiler<'_, '_> {
    pub(super) fn provider(
        &mut self,
        table: &ProviderTable,
        timeout: Duration,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<HttpProvider> {
        let client = self.client_of((table.url.span(), table.url.get_ref()), table.ca.as_ref(), timeout);
        if table.url.get_ref().contains(['?', '#']) {
            let cure = "write the query in each `path`: that comes behind this URL";
            self.report.add(table.url.span(), "a query or fragment would swallow the path of each call", cure);
        }
        let admin = self.secret(&table.secret, vaults);
        let header = self.admin_header(table);
        let create = self.create(&table.create);
        let list = self.listing(table);
        let retire = match &table.retire {
            Some(CallTable { method, path, body, format, headers }) => {
                let (method, body, format) = (method.as_ref(), body.as_ref(), format.as_ref());
                let told = Told { method, path, body, format, headers };
                self.call_of_key(&told, Method::DELETE, &table.create).map(Some)
            }
            None => Some(None),
        };
        let renew = self.renewal(table);
        let room = match &table.keys {
            None => Some(2),
            Some(keys) => {
                let room = (2..=100).contains(keys.get_ref()).then_some(*keys.get_ref() as usize);
                let cure = "write how many the provider lets live: the one in use and the new one, at least";
                self.report.take(keys.span(), room.ok_or("there are 2 to 100 keys"), cure)
            }
        };
        let first_id = match &table.first_id {
            None => Some(None),
            Some(id) => {
                let checked = is_id(id.get_ref()).then(|| Some(id.get_ref().clone())).ok_or("this is the id of no key");
                self.report.take(id.span(), checked, "write it as the provider tells it: up to 256 visible characters")
            }
        };
        Some(HttpProvider {
            url: table.url.get_ref().clone(),
            client: client?,
            admin: admin?,
            header: header?,
            create: create?,
            list: list?,
            retire: retire?,
            renew: renew?,
            first_id: first_id?,
            room: room?,
        })
    }

    fn admin_header(&mut self, table: &ProviderTable) -> Option<(HeaderName, String)> {
        let name = match &table.header {
            Some(text) => self.free_header(text)?,
            None => header::AUTHORIZATION,
        };
        let default = if name == header::AUTHORIZATION { "Bearer " } else { "" };
        let prefix = table.prefix.as_ref().map_or(default, |text| text.get_ref());
        Some((name, prefix.to_owned()))
    }

    fn create(&mut self, table: &CreateTable) -> Option<CreateCall> {
        let CreateTable { method, path, body, format, headers, take, id } = table;
        let told = Told { method: method.as_ref(), path, body: body.as_ref(), format: format.as_ref(), headers };
        let call = self.call(&told, Method::POST, Placeholder::Attempt);
        let take = self.place(take);
        let id = match id {
            Some(id) if id.get_ref() == table.take.get_ref() => {
                let cure = "name where the id is, by which the key is retired; it is told in the log";
                self.report.add(id.span(), "this is where the secret is", cure);
                None
            }
            Some(id) => self.place(id).map(Some),
            None => Some(None),
        };
        Some(CreateCall { call: call?, take: take?, id: id? })
    }

    #[expect(clippy::option_option, reason = "wrong and left out are two things")]
    fn listing(&mut self, provider: &ProviderTable) -> Option<Option<ListCall>> {
        let Some(table) = &provider.list else { return Some(None) };
        let ListTable { method, path, body, format, headers, items, id, name } = table;
        let told = Told { method: method.as_ref(), path, body: body.as_ref(), format: format.as_ref(), headers };
        let call = self.call(&told, Method::GET, Placeholder::None);
        let items = if items.get_ref().is_empty() { Some(String::new()) } else { self.place(items) };
        let (id, name) = (self.place(id), self.place(name));
        if provider.retire.is_none() {
            let cure = "add `retire`, or leave `list` out";
            self.report.add(path.span(), "what is found to be left over could not be retired", cure);
            return None;
        }
        let create = &provider.create;
        let named = [Some(&create.path), create.body.as_ref()].into_iter().flatten();
        if !named.into_iter().any(|text| text.get_ref().contains("{attempt}")) {
            let cure = "write `{attempt}` into a name or description that `create` gives the key, and `name` tells";
            self.report.add(create.path.span(), "no key could be told from others in `list`", cure);
            return None;
        }
        Some(Some(ListCall { call: call?, items: items?, id: id?, name: name? }))
    }

    #[expect(clippy::option_option, reason = "wrong and left out are two things")]
    fn renewal(&mut self, provider: &ProviderTable) -> Option<Option<(Call, Duration)>> {
        let Some(RenewTable { every, method, path, body, format, headers }) = &provider.renew else {
            return Some(None);
        };
        let (method, body, format) = (method.as_ref(), body.as_ref(), format.as_ref());
        let call = self.call_of_key(&Told { method, path, body, format, headers }, Method::POST, &provider.create);
        let is_within = (Duration::from_secs(10)..=Duration::from_hours(30 * 24)).contains(&every.get_ref().0);
        let checked = is_within.then_some(every.get_ref().0).ok_or("keys are renewed every 10s to 30 days");
        let every = self.report.take(every.span(), checked, "write one such as `10m`, well before a key ends");
        Some(Some((call?, every?)))
    }

    /// A call about one key.
    fn call_of_key(&mut self, told: &Told<'_>, default: Method, create: &CreateTable) -> Option<Call> {
        let call = self.call(told, default, Placeholder::Id)?;
        let place = told.path.span();
        if !call.has_placeholder() {
            self.report.add(place, "this does not tell which key is meant", "write `{id}` where its id belongs");
            return None;
        }
        if create.id.is_none() {
            let cure = "add `id` to `create`: where the id is in its answer";
            self.report.add(place, "nobody knows the id of a key", cure);
            return None;
        }
        Some(call)
    }

    fn call(&mut self, told: &Told<'_>, default: Method, placeholder: Placeholder) -> Option<Call> {
        let method = match told.method {
            None => Some(default),
            Some(text) => {
                let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
                let found = known.into_iter().find(|method| method.as_str() == text.get_ref());
                let found = found.ok_or("no method of such a call");
                self.report.take(text.span(), found, "choose `GET`, `POST`, `PUT`, `PATCH` or `DELETE`")
            }
        };
        let format = match told.format.map(|text| (text, text.get_ref().as_str())) {
            None | Some((_, "json")) => Some(BodyType::Json),
            Some((_, "form")) => Some(BodyType::Form),
            Some((text, _)) => {
                self.report.add(text.span(), "no format of a body", "choose `json` or `form`");
                None
            }
        };
        let path = self.template(told.path, placeholder, Written::Path);
        let body = match (told.body, format) {
            (None, _) => Some(None),
            (Some(_), None) => None,
            (Some(text), Some(format)) => {
                let written = match format {
                    BodyType::Json => Written::Json,
                    BodyType::Form => Written::Form,
                };
                self.template(text, placeholder, written).map(|body| Some((body, format)))
            }
        };
        let headers: Vec<_> = told.headers.iter().map(|field| self.call_header(field, placeholder)).collect();
        let headers: Option<Vec<_>> = headers.into_iter().collect();
        Some(Call { method: method?, path: path?, body: body?, headers: headers? })
    }

    fn call_header(
        &mut self,
        (name, value): (&Spanned<String>, &Text),
        placeholder: Placeholder,
    ) -> Option<(HeaderName, CallTemplate)> {
        let name = self.header_name(name)?;
        let is_own =
            [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TRANSFER_ENCODING, header::CONNECTION];
        if is_own.contains(&name) {
            self.report.add(value.span(), "this field is written as the call needs it", "leave it out");
            return None;
        }
        Some((name, self.template(value, placeholder, Written::Header)?))
    }

    fn template(&mut self, text: &Text, placeholder: Placeholder, written: Written) -> Option<CallTemplate> {
        let parsed = CallTemplate::parse(text.get_ref(), placeholder, written);
        let cure = match (parsed.as_ref().err(), placeholder) {
            (Some(CallTemplateFault::Unknown), Placeholder::Attempt) => "there is `{attempt}`, in `create`",
            (Some(CallTemplateFault::Unknown), Placeholder::Id) => "there is `{id}`, in `retire` and `renew`",
            (Some(CallTemplateFault::Unknown), Placeholder::None) => "write it without braces: there is none in `list`",
            (Some(CallTemplateFault::Path), _) => "write a path such as `/v1/keys`, percent-encoded",
            (Some(CallTemplateFault::Json), _) => "write JSON, with the placeholder between quotes",
            (Some(CallTemplateFault::Form), _) => {
                "write a form such as `Action=CreateKey&Name={attempt}`, percent-encoded"
            }
            (Some(CallTemplateFault::Header) | None, _) => "write visible characters",
        };
        self.report.take(text.span(), parsed, cure)
    }

    /// A JSON Pointer.
    fn place(&mut self, text: &Text) -> Option<String> {
        let place = text.get_ref();
        let is_escaped = |part: &str| part.split('~').skip(1).all(|behind| behind.starts_with(['0', '1']));
        let is_one = place.starts_with('/') && place.split('/').all(is_escaped);
        let place = is_one.then(|| place.clone()).ok_or("not a JSON Pointer");
        self.report.take(text.span(), place, "write one such as `/AccessKey/SecretAccessKey` (RFC 6901)")
    }
}
