//! The real transport against a real TLS server on the loopback: the pin decides, nothing else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use gridpass_phone::transport::{Https, Request, Response, Transport, TransportError};
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest, Sha256};

use crate::host::run_with_network;

/// A TLS server with a self-made certificate of a wrong name that is long over; it answers every request alike. Gives
/// its address and its pin.
fn server(body: &'static [u8]) -> (String, [u8; 32]) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["somebody.else".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    params.not_before = rcgen::date_time_ymd(1999, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let pin = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key)).into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            // The requests of this test are small; a head and what came with it is all of one.
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match tls.read(&mut piece) {
                    Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = tls.write_all(head.as_bytes()).and_then(|()| tls.write_all(body)).and_then(|()| tls.flush());
        }
    });
    (address, pin)
}

fn get(url: &str, pin: [u8; 32], limit: usize) -> Result<Response, TransportError> {
    let request = Request { token: Some("t".into()), ..Request::get("/sync/v1/packs/00", limit) };
    run_with_network(Https::new(url, pin).unwrap().send(request))
}

#[test]
fn the_pinned_server_is_believed_whatever_its_certificate_says_of_names_and_dates() {
    let (url, pin) = server(b"hello");
    let answer = get(&url, pin, 100).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
    assert_eq!(answer.server_ms, Some(784_111_777_000));
    assert_eq!(answer.header("content-length"), Some("5"));
}

#[test]
fn any_other_server_is_not_and_that_is_said_apart_from_no_network() {
    let (url, mut pin) = server(b"hello");
    pin[0] ^= 1;
    assert_eq!(get(&url, pin, 100), Err(TransportError::WrongServer));
    assert_eq!(get("https://127.0.0.1:1", pin, 100), Err(TransportError::NoAnswer));
}

#[test]
fn an_answer_beyond_the_limit_is_refused() {
    let (url, pin) = server(&[7; 5000]);
    assert_eq!(get(&url, pin, 4999), Err(TransportError::TooLarge));
    assert_eq!(get(&url, pin, 5000).unwrap().body.len(), 5000);
}
