//! Asking the addresses of an upstream whether they are well: each on a connection of its own, again and again, until the upstream is
//! gone.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{sleep, timeout};

use super::{connector::Connector, places::Places};
use crate::configuration::{Address, HealthSection};

/// Begins to ask.
pub(super) fn watch(
    name: &str,
    places: &Arc<Places>,
    connector: &Connector,
    host: Option<&HeaderValue>,
    section: &HealthSection,
) {
    for (place, address) in places.addresses().enumerate() {
        let host = host.cloned().or_else(|| address.to_string().parse().ok());
        let asking = Asking {
            upstream: name.to_owned(),
            address: address.clone(),
            host: host.unwrap_or(HeaderValue::from_static("upstream")),
            path: section.path.clone(),
            patience: section.timeout.get(),
        };
        let (interval, failures) = (section.interval.get(), section.failures);
        tokio::spawn(asking.for_ever(
            place,
            Arc::downgrade(places),
            connector.downgrade(),
            interval,
            failures,
        ));
    }
}

struct Asking {
    upstream: String,
    address: Address,
    host: HeaderValue,
    path: String,
    patience: Duration,
}

impl Asking {
    async fn for_ever(
        self,
        place: usize,
        places: Weak<Places>,
        connector: Weak<super::connector::Dialling>,
        interval: Duration,
        failures: u32,
    ) {
        let mut failed = 0_u32;
        loop {
            // Neither is kept meanwhile: when the upstream goes, so does this.
            let Some(connector) = connector.upgrade().map(Connector) else { return };
            let found = timeout(self.patience, self.once(&connector)).await;
            drop(connector);
            let found = found.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            let Some(places) = places.upgrade() else { return };
            failed = if found.is_ok() { 0 } else { failed.saturating_add(1) };
            let why = found.err();
            let (upstream, address) = (&*self.upstream, &self.address);
            match why {
                None => {
                    if places.tell(place, None) {
                        tracing::info!(upstream, %address, "is well again");
                    }
                }
                Some(why) if failed >= failures => {
                    if places.tell(place, Some(why.clone())) {
                        tracing::warn!(upstream, %address, why, "is not well, and is left out until it is");
                    }
                }
                Some(_) => {}
            }
            drop(places);
            sleep(interval).await;
        }
    }

    /// One request. A status below 500 is an answer: whoever wants credentials is well.
    async fn once(&self, connector: &Connector) -> Result<(), String> {
        let stream = connector.dial(&self.address).await.map_err(|why| format!("not reached: {why}"))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|why| why.to_string())?;
        let request = Request::get(&self.path)
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, "larder-proxy")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|why| why.to_string())?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|why| why.to_string())?;
            let status = answer.status();
            if status.is_server_error() { Err(format!("answered {status}")) } else { Ok(()) }
        };
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // It may have brought the answer before it ended.
            _ = connection => answer.await,
        }
    }
}
