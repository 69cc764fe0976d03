//! What a reviewed token says of itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::asked::{answer, ask_settings, client, review, secret, server};
use crate::authn::testing::{NOW, at};
use crate::authn::{OwnToken, TokenReview, TokenReviewSettings};
use crate::domain::{AuthnFault, Denial, PrincipalKind};

#[tokio::test]
async fn a_reviewed_token_ends_and_is_bound_as_it_says_whoever_signed_it() {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let bound = json!({"cnf": {"jkt": URL_SAFE_NO_PAD.encode([7; 32])}, "exp": NOW + 60});
    let no = |fault| Err(Denial::Unauthenticated(fault));
    for (what, token, want) in [
        (
            "an algorithm that is not ours",
            format!("{}.{}.AA", part(json!({"alg": "ES512"})), part(bound.clone())),
            Ok(true),
        ),
        ("a header that is none", format!("x.{}.AA", part(bound)), Ok(true)),
        ("bound to nothing", format!("x.{}.AA", part(json!({"exp": NOW + 60}))), Ok(false)),
        ("claims that cannot be read", format!("x.{}.AA", URL_SAFE_NO_PAD.encode("{")), no(AuthnFault::Malformed)),
        (
            "a claim twice",
            format!("x.{}.AA", URL_SAFE_NO_PAD.encode(r#"{"exp": 1, "exp": 2}"#)),
            no(AuthnFault::Malformed),
        ),
    ] {
        let (url, _requests) = server(answer(201, "", &review().to_string())).await;
        let settings = TokenReviewSettings {
            ask: ask_settings(&format!("{url}/"), 30),
            own_token: OwnToken::Vault(secret(b"own-token")),
            audiences: vec!["claviger".to_owned()],
            kind: PrincipalKind::Service,
        };
        let service = TokenReview::new(settings, &client()).expect("settings");
        let proved = service.verify(&token, at(NOW)).await;
        let told = proved.as_ref().map(|account| account.confirmation.key.is_some()).map_err(|denial| *denial);
        assert_eq!(told, want, "{what}");
        if let Ok(account) = proved {
            assert_eq!(account.expires, Some(at(NOW + 60)), "{what}");
        }
    }
}
