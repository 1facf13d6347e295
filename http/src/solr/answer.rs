//! Which of Solr's answers may be stored.

use crate::{
    json::members::Members,
    search::{Admission, Why, admission},
};

/// Whether the answer to a read may be stored. `body` is decoded by its `Content-Encoding`.
///
/// # Errors
/// [`Why`] not. An answer in another format than JSON, or one without its header (`omitHeader`), does not say whether it is whole.
///
/// ```
/// # use larder_http::{search::Why, solr::storable};
/// let whole = br#"{"responseHeader":{"status":0,"QTime":4},"response":{}}"#;
/// assert_eq!(storable(200, whole)?.took, Some(std::time::Duration::from_millis(4)));
/// let part = br#"{"responseHeader":{"status":0,"QTime":4,"partialResults":true},"response":{}}"#;
/// assert_eq!(storable(200, part), Err(Why::Partial));
/// # Ok::<(), Why>(())
/// ```
pub fn storable(status: u16, body: &[u8]) -> Result<Admission, Why> {
    if status != 200 {
        return Err(Why::Status);
    }
    if !matches!(body.trim_ascii_start().first(), Some(b'{')) {
        return Err(Why::Unseen);
    }
    std::str::from_utf8(body).map_err(|_| Why::Broken)?;
    let mut header = None;
    for member in Members::new(body) {
        let member = member.map_err(|_| Why::Broken)?;
        match &*member.name {
            b"responseHeader" if header.replace((member.at.start, member.value)).is_some() => {
                return Err(Why::Broken);
            }
            b"error" => return Err(Why::Status),
            _ => {}
        }
    }
    let (start, header) = header.ok_or(Why::Unseen)?;
    let (mut status, mut took) = (None, None);
    for member in Members::new(header) {
        let member = member.map_err(|_| Why::Broken)?;
        match &*member.name {
            b"status" if status.replace(member.value).is_some() => return Err(Why::Broken),
            b"partialResults" | b"segmentTerminatedEarly" if member.value != b"false" => {
                return Err(Why::Partial);
            }
            // It has lost sight of its cluster.
            b"zkConnected" if member.value != b"true" => return Err(Why::Clusters),
            b"QTime" => {
                let time = std::str::from_utf8(member.value).ok().and_then(|time| time.parse().ok());
                took = Some((time.ok_or(Why::Broken)?, start + member.at.start..start + member.at.end));
            }
            _ => {}
        }
    }
    match status {
        Some(b"0") => Ok(admission(took, body)),
        Some(_) => Err(Why::Status),
        None => Err(Why::Unseen),
    }
}
