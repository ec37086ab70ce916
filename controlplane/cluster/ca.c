/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/ca.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "common/error.h"

#define URN "urn:postern:"

static int failed(struct pn_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return pn_error_set(err, "%s: %s", what, reason ? reason : "out of memory");
}

/* 127 random bits: never negative, never 0 in practice. */
static bool set_serial(X509 *cert)
{
    uint8_t bytes[16];
    BIGNUM *n = NULL;
    bool ok;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
    n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *ext;
    X509V3_CTX ctx;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = ext && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool set_subject(X509 *cert, const char *organisation, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(cert);

    return X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const uint8_t *)organisation, -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0) == 1;
}

static X509 *cert_begin(const char *organisation, const char *name, int64_t from_s, int64_t until_s)
{
    X509 *cert = X509_new();

    if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from_s) &&
        ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)until_s) && set_subject(cert, organisation, name))
        return cert;
    X509_free(cert);
    return NULL;
}

X509 *pn_ca_cert_new(EVP_PKEY *key, const char *cluster_name, const struct pn_id *cluster, int64_t now_s,
                     struct pn_error *err)
{
    char id[PN_ID_TEXT_BYTES], san[80];
    X509 *ca = cert_begin("Postern cluster", cluster_name, now_s - PN_CERT_BACKDATE_S,
                          now_s + (int64_t)PN_CA_DAYS * 24 * 3600);

    snprintf(san, sizeof(san), "URI:" URN "%s", pn_id_format(cluster, id));
    if (ca && X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 && X509_set_pubkey(ca, key) == 1 &&
        add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(ca, ca, NID_subject_key_identifier, "hash") && add_extension(ca, ca, NID_subject_alt_name, san) &&
        X509_sign(ca, key, NULL) > 0)
        return ca;
    X509_free(ca);
    failed(err, "the CA's certificate");
    return NULL;
}

X509 *pn_ca_issue(X509 *ca, EVP_PKEY *ca_key, const struct pn_cert_name *who, int64_t now_s, int days,
                  struct pn_error *err)
{
    char cluster[PN_ID_TEXT_BYTES], node[PN_ID_TEXT_BYTES], san[160];
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, who->key, PN_KEY_BYTES);
    int64_t until_s = now_s + (int64_t)days * 24 * 3600;
    X509 *cert =
        cert_begin("Postern node", who->name, (until_s < now_s ? until_s : now_s) - PN_CERT_BACKDATE_S, until_s);
    bool ok = false;

    snprintf(san, sizeof(san), "DNS:%s,URI:" URN "%s:%s", who->name, pn_id_format(&who->cluster, cluster),
             pn_id_format(&who->node, node));
    if (cert && key && pn_node_name_valid(who->name))
        ok = X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 && X509_set_pubkey(cert, key) == 1 &&
             add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
             add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
             add_extension(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
             add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
             add_extension(cert, ca, NID_subject_alt_name, san) && X509_sign(cert, ca_key, NULL) > 0;
    EVP_PKEY_free(key);
    if (ok)
        return cert;
    X509_free(cert);
    failed(err, "a node's certificate");
    return NULL;
}

/* ---- reading ---- */

/* The text of an IA5 string without a NUL in it, or NULL. */
static const char *ia5(const ASN1_IA5STRING *s, size_t *len)
{
    const char *text = (const char *)ASN1_STRING_get0_data(s);

    *len = (size_t)ASN1_STRING_length(s);
    return memchr(text, '\0', *len) ? NULL : text;
}

/* urn:postern:<cluster> or urn:postern:<cluster>:<node>. node NULL: the first form is expected. */
static bool urn_parse(const char *text, size_t len, struct pn_id *cluster, struct pn_id *node)
{
    const size_t head = sizeof(URN) - 1, hex = 2 * PN_ID_BYTES;

    if (len != head + hex + (node ? 1 + hex : 0) || memcmp(text, URN, head) != 0 ||
        pn_id_parse(text + head, hex, cluster) < 0)
        return false;
    return !node || (text[head + hex] == ':' && pn_id_parse(text + head + hex + 1, hex, node) == 0);
}

struct san {
    struct pn_id cluster, node;
    char dns[PN_NAME_BYTES];
    unsigned n_urn, n_dns, n_other;
};

static void san_read(X509 *cert, bool of_node, struct san *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t len;

    memset(out, 0, sizeof(*out));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        const char *text;

        if (g->type == GEN_URI && (text = ia5(g->d.uniformResourceIdentifier, &len)) &&
            urn_parse(text, len, &out->cluster, of_node ? &out->node : NULL)) {
            out->n_urn++;
        } else if (g->type == GEN_DNS && (text = ia5(g->d.dNSName, &len)) && len < sizeof(out->dns)) {
            memcpy(out->dns, text, len);
            out->dns[len] = '\0';
            out->n_dns++;
        } else {
            out->n_other++;
        }
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

int pn_ca_cert_read(X509 *ca, struct pn_id *cluster, char cluster_name[PN_NAME_BYTES], struct pn_error *err)
{
    struct san san;

    san_read(ca, false, &san);
    if (san.n_urn != 1 || san.n_dns || san.n_other || X509_check_ca(ca) != 1)
        return pn_error_set(err, "not the certificate of a Postern cluster's CA");
    *cluster = san.cluster;
    memset(cluster_name, 0, PN_NAME_BYTES);
    X509_NAME_get_text_by_NID(X509_get_subject_name(ca), NID_commonName, cluster_name, PN_NAME_BYTES);
    return 0;
}

int pn_cert_read(X509 *cert, struct pn_cert_name *who, struct pn_error *err)
{
    struct san san;

    memset(who, 0, sizeof(*who));
    san_read(cert, true, &san);
    if (san.n_urn != 1 || san.n_dns != 1 || san.n_other || !pn_node_name_valid(san.dns))
        return pn_error_set(err, "the certificate does not name a node of a Postern cluster");
    if (pn_key_public(X509_get0_pubkey(cert), who->key) < 0)
        return pn_error_set(err, "the certificate's key is not an Ed25519 key");
    who->cluster = san.cluster;
    who->node = san.node;
    memcpy(who->name, san.dns, sizeof(who->name));
    return 0;
}

int pn_cert_fingerprint(X509 *cert, uint8_t out[PN_FINGERPRINT_BYTES])
{
    unsigned len = PN_FINGERPRINT_BYTES;

    return X509_digest(cert, EVP_sha256(), out, &len) == 1 && len == PN_FINGERPRINT_BYTES ? 0 : -1;
}

static int time_of(const ASN1_TIME *t, int64_t *s)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return -1;
    *s = timegm(&tm);
    return 0;
}

int pn_cert_validity(const X509 *cert, int64_t *not_before_s, int64_t *not_after_s)
{
    return time_of(X509_get0_notBefore(cert), not_before_s) < 0 || time_of(X509_get0_notAfter(cert), not_after_s) < 0
               ? -1
               : 0;
}

int64_t pn_cert_renew_at_s(const X509 *cert)
{
    int64_t from = 0, until = 0;

    if (pn_cert_validity(cert, &from, &until) < 0)
        return 0;
    from += PN_CERT_BACKDATE_S;
    return until > from ? from + (until - from) / 3 * 2 : until;
}

/* ---- forms ---- */

static struct pn_bytes bio_take(BIO *bio, int ok)
{
    struct pn_bytes b = {NULL, 0};
    BUF_MEM *mem = NULL;

    if (bio && ok && BIO_get_mem_ptr(bio, &mem) > 0 && (b.data = malloc(mem->length + 1))) {
        memcpy(b.data, mem->data, mem->length);
        b.data[mem->length] = '\0';
        b.len = mem->length;
    }
    if (bio && BIO_get_mem_ptr(bio, &mem) > 0 && mem->data)
        OPENSSL_cleanse(mem->data, mem->length);
    BIO_free(bio);
    ERR_clear_error();
    return b;
}

struct pn_bytes pn_cert_to_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_take(bio, bio && PEM_write_bio_X509(bio, cert) == 1);
}

struct pn_bytes pn_cert_to_der(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_take(bio, bio && i2d_X509_bio(bio, cert) == 1);
}

X509 *pn_cert_from_pem(const struct pn_bytes *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return cert;
}

X509 *pn_cert_from_der(const uint8_t *der, size_t len)
{
    const uint8_t *p = der;
    X509 *cert = len <= 65536 ? d2i_X509(NULL, &p, (long)len) : NULL;

    ERR_clear_error();
    if (cert && p == der + len)
        return cert;
    X509_free(cert);
    return NULL;
}
