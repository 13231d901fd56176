# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to an object store: a tuned boto3 client, and what its errors mean in a sentence.

This is the only place of the collection that imports boto3, of which it takes the core: the client is the same, and a
process that reads a bucket starts in two thirds of the time.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..model.errors import InvalidInput, NotFound, Refused, RestanteError, Unavailable
from .s3_settings import S3Settings

try:
    import botocore.loaders
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConfigNotFound,
        NoCredentialsError,
        NoRegionError,
        ParamValidationError,
        PartialCredentialsError,
        ProfileNotFound,
        SSLError,
    )
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    BOTO3_MISSING = ""
except ImportError:
    BOTO3_MISSING = traceback.format_exc()

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def connect(settings: S3Settings) -> S3Client:
    """Return a client for these settings; it makes no request. Safe for use by several threads.

    :raises InvalidInput: boto3 is missing, or a setting cannot be used.
    """
    if BOTO3_MISSING:
        raise InvalidInput("S3 needs the Python library boto3: apt install python3-boto3, or pip install boto3.")
    _check(settings)
    options: dict[str, Any] = {
        "max_pool_connections": settings.connections,
        "tcp_keepalive": True,
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.read_timeout,
        "retries": {"mode": "standard", "total_max_attempts": settings.attempts},
        "signature_version": "s3" if settings.signature_version == "v2" else "s3v4",
        "s3": {
            "addressing_style": settings.addressing or ("path" if settings.endpoint else "auto"),
            # The server then refuses an upload that was altered on its way, also where it knows no checksums.
            "payload_signing_enabled": True,
        },
        # Checksums that were not asked for are refused, or ignored, by many S3-compatible servers.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    with explained(settings, "connect"):
        core: Any = botocore.session.Session()
        core.register_component("data_loader", _models())
        if settings.profile:
            core.set_config_variable("profile", settings.profile)
        if settings.access_key:
            core.set_credentials(settings.access_key, settings.secret_key, settings.session_token or None)
        try:
            client: S3Client = core.create_client(
                "s3",
                endpoint_url=settings.endpoint or None,
                # A server of one's own has no regions, but a signature names one.
                region_name=settings.region or core.get_config_variable("region") or "us-east-1",
                verify=settings.ca_file or None,
                config=Config(**{key: value for key, value in options.items() if key in Config.OPTION_DEFAULTS}),
            )
            return client
        except ValueError as error:  # botocore's word for an endpoint that is no URL
            raise InvalidInput(f"{settings.endpoint!r} is not the URL of an S3 endpoint.") from error


@functools.cache
def _models() -> botocore.loaders.Loader:
    """Return what boto3 knows of S3's requests: reading it takes ten times as long as the rest of a client."""
    return botocore.loaders.create_loader()


def _check(settings: S3Settings) -> None:
    if not settings.bucket:
        raise InvalidInput("The name of the bucket is missing.")
    if bool(settings.access_key) != bool(settings.secret_key):
        missing = "secret" if settings.access_key else "access key"
        raise InvalidInput(f"The {missing} for bucket {settings.bucket} is missing: give both keys, or none of them.")
    if settings.session_token and not settings.access_key:
        raise InvalidInput(
            f"The session token for bucket {settings.bucket} says nothing without its keys: give both keys with it, or "
            "none of the three."
        )
    if settings.signature_version not in ("v2", "v4"):
        raise InvalidInput(f"Signature version {settings.signature_version!r} is unknown: it is v4 or v2.")
    if settings.addressing not in ("", "path", "virtual"):
        raise InvalidInput(f"Addressing {settings.addressing!r} is unknown: it is path or virtual.")
    if settings.endpoint:
        try:
            url = urlsplit(settings.endpoint)
            usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
        except ValueError:
            url, usable = urlsplit(""), False
        if url.username or url.password:
            raise InvalidInput(f"The endpoint of bucket {settings.bucket} must not hold a user name or password.")
        if not usable:
            raise InvalidInput(f"{settings.endpoint!r} is not the URL of an S3 endpoint: it begins with https://.")


@contextmanager
def explained(settings: S3Settings, doing: str, name: str = "") -> Iterator[None]:
    """Turn what boto3 raises inside the with statement into an error of ours.

    :param doing: what was tried, as a verb: "read".
    :param name: the file it was tried on; empty for the bucket itself.
    """
    try:
        yield
    except ClientError as error:
        raise _answer(error, settings, doing, name) from error
    except (BotoCoreError, OSError) as error:
        raise _no_answer(error, settings, doing, name) from error
    except RecursionError as error:  # botocore asks for the bucket's region, and is sent to the bucket's region again
        what = f"Cannot {doing} {name + ' in ' if name else ''}{settings.where()}"
        raise Unavailable(
            f"{what}: it answers that the bucket is in another region, and does not say in which. Check the endpoint "
            "and the region."
        ) from error
    except (  # RuntimeError: botocore's word for the year 18446744073709551616
        ResponseParserError, HTTPException, HTTPError, ValueError, LookupError, OverflowError, MemoryError,
        RuntimeError,
    ) as odd:
        raise unreadable(odd, settings, doing, name) from odd


def unreadable(error: Exception, settings: S3Settings, doing: str, name: str) -> Unavailable:
    """Return what it means that an answer cannot be understood: it was altered or cut short on its way."""
    what = f"Cannot {doing} {name + ' in ' if name else ''}{settings.where()}"
    return Unavailable(f"{what}: the answer cannot be read ({type(error).__name__}). Try again; check the network.")


_CREDENTIALS = frozenset((
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
    "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure",
))
_OTHER_REGION = frozenset((
    "301", "307", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
))
_RIGHTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket")
_RIGHTS_OF_LOCKS = ("s3:GetObjectVersion", "s3:ListBucketVersions", "s3:GetObjectRetention", "s3:PutObjectRetention")
_OVERLOAD = frozenset(("SlowDown", "RequestTimeout", "Throttling", "TooManyRequests"))


def error_code(error: BaseException | None) -> str:
    """Return the code of the store's answer ("NoSuchKey", "404"...), empty when there was no answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _answer(error: ClientError, settings: S3Settings, doing: str, name: str) -> RestanteError:
    """Return what an error answer of the store means."""
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    what = f"Cannot {doing} {name + ' in ' if name else ''}{settings.where()}"
    if code == "NoSuchBucket":
        return NotFound(f"{what}: there is no bucket {settings.bucket}. Check its name, or create it.")
    if code in ("NoSuchKey", "404", "NotFound"):
        return NotFound(f"{what}: it is not there.")
    if code in _CREDENTIALS:
        return Refused(f"{what}: the credentials are not accepted ({code}). Check the access key and the secret.")
    if code == "RequestTimeTooSkewed":
        return Refused(f"{what}: the clocks of this machine and of the store differ too much. Set the time.")
    if code in _OTHER_REGION:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region", "")
        hint = f"it is in {region}" if region else f"it is not {settings.region or 'the default'}"
        return InvalidInput(f"{what}: the region is wrong ({code}): {hint}.")
    if code == "InvalidBucketName":
        return InvalidInput(f"{what}: {settings.bucket!r} is not a valid name for a bucket.")
    if status in (401, 403):
        rights = ", ".join((*_RIGHTS, *(_RIGHTS_OF_LOCKS if settings.lock_mode else ())))
        return Refused(f"{what}: access is denied ({code}). Check the keys, and that their policy allows {rights}.")
    if status >= 500 or status == 429 or code in _OVERLOAD:
        return Unavailable(f"{what}: the store answers {status} {code} after {settings.attempts} attempts. Try later.")
    return Refused(f"{what}: the store answers {status} {code}. Look for the reason in the store's log.")


def _no_answer(error: Exception, settings: S3Settings, doing: str, name: str) -> RestanteError:
    """Return what it means that a request got no answer, or was never sent."""
    what = f"Cannot {doing} {name + ' in ' if name else ''}{settings.where()}"
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return InvalidInput(
            f"{what}: no credentials were found. Give an access key and a secret, or provide them by the environment, "
            "a profile or an instance role."
        )
    if isinstance(error, (ProfileNotFound, ConfigNotFound)):
        return InvalidInput(f"{what}: the AWS profile {settings.profile!r} is not configured on this machine.")
    if isinstance(error, (ParamValidationError, NoRegionError)):
        return InvalidInput(f"{what}: {error}")
    if isinstance(error, SSLError):
        return Refused(f"{what}: its certificate is not trusted ({error}). Give ca_file, or correct the endpoint.")
    if isinstance(error, OSError):
        return Unavailable(f"{what}: {error.strerror or error}. Check the endpoint and the network.")
    return Unavailable(f"{what}: no answer ({type(error).__name__}). Check the endpoint, the network and the region.")
